# shellcheck shell=bash
# One host: its folders, its settings, its libvirtd.

# host_prepare HOST: what the host keeps on disk. Settings are written anew each
# time, since they hold the address.
host_prepare() {
  local host=$1 dir
  dir=$(host_dir "$host")
  mkdir -p "$dir"/{etc,lib/images,run,cache,log/qemu,dev,srv/shared}
  [ -s "$dir/uuid" ] || cat /proc/sys/kernel/random/uuid >"$dir/uuid"
  [ -d "$dir/etc/nwfilter" ] || cp -a /etc/libvirt/nwfilter "$dir/etc/" 2>/dev/null || true
  [ -e "$dir/cache/qemu" ] || cp -a "$(capabilities_cache)/." "$dir/cache/" 2>/dev/null || true
  echo "$host" >"$dir/hostname"
  host_config_libvirtd "$(cat "$dir/uuid")" >"$dir/etc/libvirtd.conf"
  host_config_qemu "$(host_address "$host")" >"$dir/etc/qemu.conf"
}

host_config_libvirtd() {
  cat <<CONF
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
auth_unix_rw = "none"
auth_unix_ro = "none"
# Migration refuses two hosts with the same uuid, and this machine has only one.
host_uuid = "$1"
CONF
}

host_config_qemu() {
  cat <<CONF
user = "root"
group = "root"
dynamic_ownership = 1
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
vnc_listen = "127.0.0.1"
# Without it the source asks the resolver for the destination's host name.
migration_host = "$1"
migration_address = "0.0.0.0"
CONF
}

# capabilities_cache: where libvirt's answers about this QEMU are kept. Asking it
# anew takes each host five seconds of processor time.
capabilities_cache() {
  echo "$LAB_ROOT/cache/$(stat -L -c %n:%Z "$(command -v libvirtd)" /usr/bin/qemu-system-* 2>/dev/null | md5sum | cut -c1-12)"
}

# keep_capabilities: what kvm1 found out is kept for the others.
keep_capabilities() {
  local cache
  cache=$(capabilities_cache)
  mkdir -p "$cache.new"
  cp -a "$(host_dir kvm1)/cache/qemu" "$cache.new/"
  mv -T "$cache.new" "$cache" 2>/dev/null || rm -rf "$cache.new" # another lab was faster
}

# write_name_table: /etc/hosts of all hosts of the lab.
write_name_table() {
  local host
  {
    echo "127.0.0.1 localhost"
    for host in $(lab_hosts); do echo "$(host_address "$host") $host"; done
  } >"$(lab_dir)/hosts"
}

# enter_host HOST: sets the array `enter` to the words that, put before a
# command, run it inside the host.
enter_host() {
  enter=(ip netns exec "$(netns_of "$1")"
    unshare --mount --uts --propagation private
    /bin/bash "$LAB_SOURCES/lib/enter.sh" "$(lab_dir)" "$1")
}

host_pid() { recall "$(host_dir "$1")/libvirtd.pid"; }

# host_launch HOST: starts its libvirtd, unless it runs; doesn't wait for it.
host_launch() {
  local host=$1 dir pid
  dir=$(host_dir "$host")
  [ ! -e "$dir/dead" ] || return 0
  ! host_pid "$host" >/dev/null || return 0
  rm -f "$dir/run/libvirtd.pid" "$dir"/run/libvirt-*sock*
  local enter
  enter_host "$host"
  setsid "${enter[@]}" libvirtd --listen --pid-file /run/libvirt/libvirtd.pid \
    </dev/null >>"$dir/log/libvirtd.out" 2>&1 9>&- &
  pid=$!
  remember "$dir/libvirtd.pid" "$pid" || die "libvirtd of $host ended at once; see $dir/log/libvirtd.out"
}

host_socket() { echo "$(host_dir "$1")/run/libvirt-sock"; }
host_unix_uri() { echo "qemu+unix:///system?socket=$(host_socket "$1")"; }
host_tcp_uri() { echo "qemu+tcp://$(host_address "$1")/system"; }

# host_wait HOST: until its libvirtd answers on the network (or, cut off, on
# its socket).
host_wait() {
  local host=$1 uri
  [ ! -e "$(host_dir "$host")/dead" ] || return 0
  uri=$(host_tcp_uri "$host")
  [ "$(net_link_state "$host")" = up ] || uri=$(host_unix_uri "$host")
  wait_for 60 host_answers "$host" "$uri" || die "libvirtd of $host doesn't answer at $uri"
}

host_answers() {
  host_pid "$1" >/dev/null || die "libvirtd of $1 ended; see $(host_dir "$1")/log/libvirtd.out"
  timeout 10 virsh -q -c "$2" version >/dev/null 2>&1
}

# host_state HOST: up, paused, stopped or dead
host_state() {
  local pid
  if [ -e "$(host_dir "$1")/dead" ]; then
    echo dead
  elif ! pid=$(host_pid "$1"); then
    echo stopped
  elif grep -q '^State:.T' "/proc/$pid/status" 2>/dev/null; then
    echo paused
  else
    echo up
  fi
}
