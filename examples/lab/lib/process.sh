# shellcheck shell=bash
# Processes are ended by pid, never by name: the machine may run libvirt and
# QEMU of its own, and other labs. A pid is remembered with the time its process
# started, so that a pid used again by a stranger is not taken for ours.

# process_start PID: when it started, in clock ticks since boot; fails when
# there is no such process or only its zombie.
process_start() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) } # the command's name may hold blanks and parentheses
  # shellcheck disable=SC2086 # split into fields on purpose
  set -- $stat
  [ "$1" != Z ] && echo "${20}"
}

# remember FILE PID
remember() {
  local start
  start=$(process_start "$2") || return 1
  echo "$2 $start" >"$1"
}

# recall FILE: the pid, if that very process still lives.
recall() {
  local pid start
  { read -r pid start <"$1"; } 2>/dev/null || return 1
  [ "$(process_start "$pid")" = "$start" ] && echo "$pid"
}

# wait_for SECONDS CMD...: poll until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

process_gone() { ! process_start "$1" >/dev/null; }

# end_process PID [SIGNAL]: asks, then kills; returns when it is gone.
end_process() {
  kill "-${2:-TERM}" "$1" 2>/dev/null || true
  kill -CONT "$1" 2>/dev/null || true # a stopped process would not hear a TERM
  wait_for 5 process_gone "$1" && return
  kill -KILL "$1" 2>/dev/null || true
  wait_for 10 process_gone "$1" || die "process $1 doesn't end"
}

# end_namespace NETNS: kills everything that runs in it. The namespace is how a
# lab remembers QEMU processes: they stay in it when their libvirtd is gone.
end_namespace() {
  wait_for 15 namespace_killed "$1" ||
    die "processes in $1 don't end: $(live_pids "$1" | tr '\n' ' ')"
}

namespace_killed() {
  local pids
  pids=$(live_pids "$1")
  [ -n "$pids" ] || return 0
  # shellcheck disable=SC2086 # a list of pids
  kill -KILL $pids 2>/dev/null || true
  return 1
}

# live_pids NETNS
live_pids() {
  local pid
  for pid in $(ip netns pids "$1" 2>/dev/null); do
    process_gone "$pid" || echo "$pid"
  done
}
