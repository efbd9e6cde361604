# shellcheck shell=bash
# What a lab remembers, and where. A lab is a folder; each fact is one small
# file in it, so that a script killed at any point leaves nothing half-written.
#
#   $LAB_ROOT/labs/NAME/        subnet, count, reaper.pid, hosts (name table)
#     shared/                   /srv/shared inside every host
#     kvm1/                     uuid, libvirtd.pid
#       etc lib run cache log   /etc/libvirt, /var/lib/libvirt, ... inside kvm1
#   $LAB_ROOT/guest/            guest images, by the hash of their sources
#   $LAB_ROOT/cache/            QEMU's capabilities, found out once for all hosts

die() {
  echo "lab: $*" >&2
  exit 1
}

check_options() {
  # The names end up in namespace and interface names and, unquoted, in JSON.
  [[ $LAB_NAME =~ ^[a-z0-9][a-z0-9-]{0,31}$ ]] ||
    die "name '$LAB_NAME': use up to 32 of a-z, 0-9 and -"
  [[ $LAB_ROOT =~ ^/[A-Za-z0-9._/-]+$ ]] ||
    die "root '$LAB_ROOT': use an absolute path of letters, digits and . _ - /"
  [[ ${LAB_COUNT:-1} =~ ^[1-9][0-9]?$ && ${LAB_COUNT:-1} -le 80 ]] ||
    die "-n $LAB_COUNT: a lab has 1 to 80 hosts"
  [[ ${LAB_OWNER:-1} =~ ^[1-9][0-9]*$ ]] || die "-owner $LAB_OWNER: not a pid"
  [[ ${LAB_SUBNET:-0} =~ ^[0-9]{1,3}$ && ${LAB_SUBNET:-0} -le 255 ]] ||
    die "-subnet $LAB_SUBNET: 10.77.X.0/24 has X from 0 to 255"
}

need_root() {
  [ "$(id -u)" -eq 0 ] || die "needs root: it makes network and mount namespaces (sudo $0 ...)"
}

need_debian() {
  if [ ! -e /etc/debian_version ] || ! command -v apt-get >/dev/null; then
    die "works on Debian only: the hosts run from Debian's packages"
  fi
}

need_packages() {
  local program
  for program in libvirtd virsh qemu-img ip unshare flock; do
    command -v "$program" >/dev/null || die "$program is missing; run '$LAB_SELF install'"
  done
}

need_lab() {
  need_root # or there is nothing to see
  [ -d "$(lab_dir)" ] || die "there is no lab '$LAB_NAME' (lab up -name $LAB_NAME)"
}

# need_host HOST: the lab has this host.
need_host() {
  need_lab
  [ -n "${1:-}" ] || die "which host? (kvm1 to kvm$(lab_count))"
  [[ $1 == kvm* && -d $(host_dir "$1") ]] ||
    die "lab $LAB_NAME has no host '$1' (kvm1 to kvm$(lab_count))"
}

lab_dir() { echo "$LAB_ROOT/labs/$LAB_NAME"; }
host_dir() { echo "$(lab_dir)/$1"; }
host_number() { echo "${1#kvm}"; }

lab_count() { cat "$(lab_dir)/count"; }
lab_subnet() { cat "$(lab_dir)/subnet"; }
lab_gateway() { echo "10.77.$(lab_subnet).1"; }
host_address() { echo "10.77.$(lab_subnet).$((10 + $(host_number "$1")))"; }

lab_hosts() {
  local i
  for ((i = 1; i <= $(lab_count); i++)); do echo "kvm$i"; done
}

# lab_lock makes the commands that change one lab wait for each other. The lock
# is descriptor 9; whatever outlives the script is started with 9>&-.
lab_lock() {
  local file=$LAB_ROOT/labs/.$LAB_NAME.lock
  mkdir -p "$LAB_ROOT"
  # The hosts' sockets ask nobody for a password: keep them to ourselves.
  [ -d "$LAB_ROOT/labs" ] || mkdir -m 700 "$LAB_ROOT/labs"
  # `down` removes the file: who waited for it then holds a lock on nothing.
  until [ "$file" -ef /proc/self/fd/9 ]; do
    exec 9>"$file"
    flock -w 120 9 || die "lab $LAB_NAME is busy: another lab command holds its lock"
  done
}
