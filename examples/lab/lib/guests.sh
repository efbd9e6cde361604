# shellcheck shell=bash
# The guests on the lab's hosts, and the image they boot.

# host_virsh HOST ARGS...: over the host's socket, which works while its network
# is cut. The time limit is for a libvirtd that hangs.
host_virsh() {
  local host=$1
  shift
  timeout 30 virsh -q -c "$(host_unix_uri "$host")" "$@"
}

# host_guests HOST: one line per domain, "name state".
host_guests() {
  [ "$(host_state "$1")" = up ] || return 0
  host_virsh "$1" list --all | awk '{ name = $2; $1 = $2 = ""; sub(/^ +/, ""); gsub(/ /, "-"); print name, $0 }'
}

# host_qemus HOST: pids of its running guests, with or without a libvirtd.
host_qemus() {
  local pid
  for pid in $(live_pids "$(netns_of "$1")"); do
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in */qemu-system-*) echo "$pid" ;; esac
  done
}
