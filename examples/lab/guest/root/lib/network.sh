# Static addresses out of network-config, versions 1 and 2; interfaces are found
# by their MAC.

bring_up_network() {
  ip link set lo up
  [ -e $DRIVE/network-config ] || say "network: no network-config"
  network_entries | while read -r mac address gateway; do
    configure "$mac" "$address" "$gateway"
  done
}

# network_entries prints a line "MAC ADDRESS/PREFIX GATEWAY" per address; a
# gateway that isn't given is "-".
network_entries() {
  [ ! -e $DRIVE/network-config ] || awk -f /lib/network.awk $DRIVE/network-config
}

configure() {
  local mac=$1 address=$2 gateway=$3 interface
  interface=$(interface_of "$mac")
  if [ -z "$interface" ]; then
    say "network: no interface has $mac"
    return
  fi
  ip link set "$interface" up
  ip addr add "$address" dev "$interface"
  [ "$gateway" = - ] || ip route replace default via "$gateway"
  say "network: $interface $mac $address gateway $gateway"
}

interface_of() {
  local path
  for path in /sys/class/net/*; do
    if [ "$(cat "$path/address")" = "$1" ]; then
      echo "${path##*/}"
      return
    fi
  done
}
