# shellcheck shell=bash
# One function per command of lab.

command_up() {
  need_root
  need_debian
  need_packages
  lab_lock
  if [ ! -d "$(lab_dir)" ] && [ -n "$(lab_namespaces)" ]; then
    die "lab $LAB_NAME runs already, kept in another folder; name the folder with -root, or 'lab down -name $LAB_NAME' first"
  fi
  mkdir -p "$(lab_dir)/shared"
  grow_count
  net_up_switch
  write_name_table
  # On a new machine the first host finds out what QEMU can do, for all.
  if [ ! -d "$(capabilities_cache)" ]; then
    start_hosts kvm1
    keep_capabilities
  fi
  # shellcheck disable=SC2046 # a list of hosts
  start_hosts $(lab_hosts)
  watch_owner
  report_up
}

# grow_count: `up` again with a larger -n adds hosts; it never takes any away.
grow_count() {
  local file had
  file=$(lab_dir)/count
  had=$(cat "$file" 2>/dev/null || echo 0)
  LAB_COUNT=${LAB_COUNT:-$((had > 0 ? had : 3))}
  [ "$LAB_COUNT" -ge "$had" ] || die "lab $LAB_NAME has $had hosts; to have fewer, 'lab down' first"
  echo "$LAB_COUNT" >"$file"
}

start_hosts() {
  local host
  for host in "$@"; do
    host_prepare "$host"
    net_up_host "$host"
    host_launch "$host"
  done
  for host in "$@"; do host_wait "$host"; done
}

# watch_owner: with -owner, a small process takes the lab down when the owner
# dies, however it dies.
watch_owner() {
  local file pid
  file=$(lab_dir)/reaper.pid
  [ -n "$LAB_OWNER" ] || return 0
  process_start "$LAB_OWNER" >/dev/null || die "-owner $LAB_OWNER: no such process"
  if pid=$(recall "$file"); then end_process "$pid" KILL; fi
  setsid "$LAB_SELF" reap -name "$LAB_NAME" -root "$LAB_ROOT" -owner "$LAB_OWNER" \
    </dev/null >>"$(lab_dir)/reaper.log" 2>&1 9>&- &
  remember "$file" "$!"
}

command_reap() {
  local start
  start=$(process_start "$LAB_OWNER") || true
  while [ -n "$start" ] && [ "$(process_start "$LAB_OWNER")" = "$start" ]; do
    sleep 0.5
  done
  command_down
}

report_up() {
  if [ -n "$LAB_JSON" ]; then status_json; else status_table; fi
}

command_down() {
  need_root
  lab_lock
  local pid
  if pid=$(recall "$(lab_dir)/reaper.pid") && [ "$pid" != $$ ]; then
    end_process "$pid" KILL
  fi
  net_down
  # All mounts were in namespaces that are gone; a folder that is a mount point
  # now was mounted by somebody else.
  rm -rf --one-file-system "$(lab_dir)"
  rm -f "$LAB_ROOT/labs/.$LAB_NAME.lock"
}

command_status() {
  need_lab
  if [ -n "$LAB_JSON" ]; then status_json; else status_table; fi
}

command_list() {
  need_root
  local dir
  for dir in "$LAB_ROOT"/labs/*/; do
    [ ! -e "$dir/count" ] || basename "$dir"
  done
}

command_guests() {
  need_lab
  local host name state
  for host in $(lab_hosts); do
    host_guests "$host" | while read -r name state; do
      printf '%-6s %-32s %s\n' "$host" "$name" "$state"
    done
  done
}

command_stop_host() {
  need_host "$@"
  lab_lock
  local pid
  if pid=$(host_pid "$1"); then
    end_process "$pid" "${LAB_HARD:+KILL}"
  fi
}

command_start_host() {
  need_host "$@"
  lab_lock
  if [ -e "$(host_dir "$1")/dead" ]; then
    rm "$(host_dir "$1")/dead"
    net_link "$1" up
  fi
  host_launch "$1"
  host_wait "$1"
}

command_kill_host() {
  need_host "$@"
  lab_lock
  net_link "$1" down
  touch "$(host_dir "$1")/dead"
  end_namespace "$(netns_of "$1")"
  # /run does not survive a crash: libvirt must not remember domains as running.
  rm -rf "$(host_dir "$1")/run"
  mkdir "$(host_dir "$1")/run"
}

# command_link up|down HOST
command_link() {
  need_host "${@:2}"
  net_link "$2" "$1"
}

# command_signal STOP|CONT HOST
command_signal() {
  need_host "${@:2}"
  local pid
  pid=$(host_pid "$2") || die "the libvirtd of $2 doesn't run"
  kill "-$1" "$pid"
}

command_exec() {
  need_host "$@"
  [ $# -gt 1 ] || set -- "$1" /bin/bash
  local enter
  enter_host "$1"
  exec "${enter[@]}" "${@:2}"
}

command_virsh() {
  need_host "$@"
  exec virsh -c "$(host_unix_uri "$1")" "${@:2}"
}

# command_console HOST DOMAIN: the domain's name may be a part of it, as long as
# only one serial log on the host has it.
command_console() {
  need_host "$@"
  local logs
  [ -n "${2:-}" ] || die "which domain? (lab guests)"
  logs=("$(host_dir "$1")"/log/qemu/*"$2"*-serial0.log)
  [ -e "${logs[0]}" ] || die "$1 keeps no serial log of a domain '$2'"
  [ ${#logs[@]} -eq 1 ] || die "'$2' fits several: $(basename -as -serial0.log "${logs[@]}" | tr '\n' ' ')"
  exec tail -n +1 -F "${logs[0]}"
}

command_guest() {
  need_debian
  NOVAPLAN_LAB_ROOT=$LAB_ROOT "$LAB_SOURCES/guest/build"
}
