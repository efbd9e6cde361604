# shellcheck shell=bash
# The lab's network. All of it lives in namespaces; the machine itself gets one
# interface, its port on the lab's switch:
#
#   machine                 switch namespace           host namespace
#   nplX 10.77.X.1/24 ----- root                       br0 10.77.X.1N/24
#                              \__ lan (bridge) __/       |        \
#                                        kvmN ---------- eth0     guests' taps
#
# The switch has a namespace of its own so that the machine's firewall (Docker's,
# say) doesn't drop frames between hosts, and so that deleting the namespaces
# removes every interface, whatever state they were left in.

# Lab names can't hold a dot, so one lab's namespaces never match another's.
netns_of() { echo "npl.$LAB_NAME.$1"; }
netns_exists() { [ -e "/run/netns/$1" ]; }
lab_namespaces() {
  local path
  for path in "/run/netns/npl.$LAB_NAME."*; do
    [ ! -e "$path" ] || echo "${path##*/}"
  done
}

lab_interface() { echo "npl$(lab_subnet)"; }

# net_up_switch: the switch and the machine's port on it.
net_up_switch() {
  local switch
  switch=$(netns_of switch)
  if ! netns_exists "$switch"; then
    ip netns add "$switch"
  fi
  if ! ip -n "$switch" link show lan >/dev/null 2>&1; then
    ip -n "$switch" link add lan type bridge forward_delay 0
    ip -n "$switch" link set lan up
    ip -n "$switch" link set lo up
  fi
  if ! ip -n "$switch" link show root >/dev/null 2>&1; then
    claim_subnet "$switch"
    ip -n "$switch" link set root master lan up
  fi
  ip addr replace "$(lab_gateway)/24" dev "$(lab_interface)"
  ip link set "$(lab_interface)" up
}

# claim_subnet SWITCH picks the lab's X. Creating the interface nplX is the
# claim: the kernel refuses a second one, whichever root or user it is for.
claim_subnet() {
  local switch=$1 x candidates
  candidates=${LAB_SUBNET:-$(cat "$(lab_dir)/subnet" 2>/dev/null || true) $(seq 0 255)}
  for x in $candidates; do
    if ip link add "npl$x" type veth peer name root netns "$switch" 2>/dev/null; then
      echo "$x" >"$(lab_dir)/subnet"
      return
    fi
  done
  die "no free subnet in 10.77.0.0/16 (tried: ${LAB_SUBNET:-all})"
}

# net_up_host HOST: the host's namespace, its bridge, its cable to the switch.
net_up_host() {
  local host=$1 netns switch number
  netns=$(netns_of "$host") switch=$(netns_of switch) number=$(host_number "$1")
  net_reattach "$host"
  netns_exists "$netns" || ip netns add "$netns"
  if ! ip -n "$netns" link show eth0 >/dev/null 2>&1; then
    ip -n "$switch" link del "$host" 2>/dev/null || true # a cable into nowhere
  fi
  if ! ip -n "$switch" link show "$host" >/dev/null 2>&1; then
    ip -n "$switch" link add "$host" type veth peer name eth0 netns "$netns"
    ip -n "$switch" link set "$host" master lan up
  fi
  if ! ip -n "$netns" link show br0 >/dev/null 2>&1; then
    # Its own MAC, or the bridge would change it as guests come and go.
    ip -n "$netns" link add br0 address "$(printf '02:4e:50:%02x:00:%02x' "$(lab_subnet)" "$number")" \
      type bridge forward_delay 0
  fi
  ip -n "$netns" -batch - <<BATCH
link set lo up
link set eth0 master br0
link set eth0 up
link set br0 up
addr replace $(host_address "$host")/24 dev br0
BATCH
}

# net_reattach HOST: gives a host's namespace its name back when somebody deleted
# that, while the host's libvirtd kept the namespace itself alive.
net_reattach() {
  local netns pid
  netns=$(netns_of "$1")
  pid=$(host_pid "$1") || return 0
  if [ ! "/run/netns/$netns" -ef "/proc/$pid/ns/net" ]; then
    ! netns_exists "$netns" || ip netns delete "$netns"
    ip netns attach "$netns" "$pid"
  fi
}

# net_link HOST up|down: the host's cable, at the switch's end.
net_link() { ip -n "$(netns_of switch)" link set "$1" "$2"; }

# net_link_state HOST: up or down
net_link_state() {
  case $(ip -n "$(netns_of switch)" -o link show "$1" 2>/dev/null) in
    *[\<,]UP[,\>]*) echo up ;;
    *) echo down ;;
  esac
}

# net_down ends what runs in the lab's namespaces and deletes them. It needs no
# record, so it also cleans up after a folder that was removed by hand.
net_down() {
  local host netns
  for host in $(lab_hosts 2>/dev/null); do net_reattach "$host"; done
  for netns in $(lab_namespaces); do end_namespace "$netns"; done
  for netns in $(lab_namespaces); do
    ip netns delete "$netns"
  done
  # The kernel takes namespaces apart in its own time; on a busy machine that is seconds.
  wait_for 30 interface_gone || die "interface $(lab_interface) doesn't go away"
}

# The kernel removes interfaces of a deleted namespace a moment later; until
# then a new lab could not take the same subnet.
interface_gone() {
  [ ! -e "$(lab_dir)/subnet" ] || ! ip link show "$(lab_interface)" >/dev/null 2>&1
}
