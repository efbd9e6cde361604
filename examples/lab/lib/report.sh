# shellcheck shell=bash
# What `status` prints: a table for people, JSON for programs. Everything that
# goes into the JSON was checked to need no escaping (see check_options).

status_table() {
  local host
  echo "lab $LAB_NAME: 10.77.$(lab_subnet).0/24, this machine is $(lab_gateway), shared storage /srv/shared"
  printf '%-6s %-8s %-5s %-7s %-34s %s\n' HOST STATE LINK GUESTS URI SOCKET
  for host in $(lab_hosts); do
    printf '%-6s %-8s %-5s %-7s %-34s %s\n' "$host" "$(host_state "$host")" "$(net_link_state "$host")" \
      "$(host_qemus "$host" | wc -l)" "$(host_tcp_uri "$host")" "$(host_socket "$host")"
  done
}

status_json() {
  local host separator=''
  printf '{"name":"%s","folder":"%s","subnet":"10.77.%s.0/24","gateway":"%s","interface":"%s",' \
    "$LAB_NAME" "$(lab_dir)" "$(lab_subnet)" "$(lab_gateway)" "$(lab_interface)"
  printf '"shared":{"inside":"/srv/shared","outside":"%s/shared"},' "$(lab_dir)"
  printf '"local":{"inside":"/var/lib/libvirt/images"},"hosts":['
  for host in $(lab_hosts); do
    printf '%s' "$separator"
    host_json "$host"
    separator=,
  done
  printf ']}\n'
}

host_json() {
  local host=$1 dir
  dir=$(host_dir "$host")
  printf '{"name":"%s","state":"%s","link":"%s","address":"%s","uri":"%s",' \
    "$host" "$(host_state "$host")" "$(net_link_state "$host")" "$(host_address "$host")" "$(host_tcp_uri "$host")"
  printf '"socket":"%s","netns":"%s","uuid":"%s","folder":"%s","libvirtd":%s,"qemu":[%s],' \
    "$(host_socket "$host")" "$(netns_of "$host")" "$(cat "$dir/uuid")" "$dir" \
    "$(host_pid "$host" || echo 0)" "$(host_qemus "$host" | paste -sd, -)"
  printf '"local":"%s/lib/images","log":"%s/log"}' "$dir" "$dir"
}
