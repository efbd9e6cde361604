# /data: what is left of the boot disk behind the image, that is the size the
# flavor gives. On it the guest counts its boots and keeps a marker, which show
# whether a disk really is the one it was.

BOOTS=0

open_data() {
  local disk partition
  if ! disk=$(boot_disk) || ! partition=$(data_partition "$disk"); then
    BOOTS=1
    say "data: none"
    return
  fi
  is_ext "$partition" || format_data "$partition"
  # Written through: there is no journal, and hosts here die without warning.
  if ! mount -t ext4 -o sync,noatime "$partition" /data 2>/dev/null; then
    BOOTS=1
    say "data: $partition can't be mounted"
    return
  fi
  count_boot
}

count_boot() {
  local beat
  [ ! -e /data/boots ] || read -r BOOTS </data/boots
  BOOTS=$((BOOTS + 1))
  echo $BOOTS >/data/boots
  [ -s /data/marker ] || head -c 8 /dev/urandom | hexdump -e '8/1 "%02x" "\n"' >/data/marker
  [ ! -e /data/beat ] || read -r beat </data/beat
  say "data: boots=$BOOTS marker=$(cat /data/marker) beat=${beat:-0} size=$(df -m /data | awk 'NR == 2 { print $2 }')MiB"
}

# boot_disk: the disk whose first partition the build labelled.
boot_disk() {
  local partition
  partition=$(findfs LABEL=NPGUEST) || return 1
  echo "${partition%1}"
}

# data_partition DISK: the second partition, made now if there is room.
data_partition() {
  local disk=$1 name=${1##*/} start size
  if [ ! -b "${disk}2" ]; then
    start=$(($(cat "/sys/block/$name/${name}1/start") + $(cat "/sys/block/$name/${name}1/size")))
    size=$(cat "/sys/block/$name/size")
    [ $((size - start)) -ge 16384 ] || return 1 # 8 MiB
    printf 'n\np\n2\n%s\n\nw\n' $start | fdisk -u "$disk" >/dev/null 2>&1
    [ -b "${disk}2" ] || partprobe "$disk"
  fi
  [ -b "${disk}2" ] && echo "${disk}2"
}

# is_ext PARTITION: the magic number of ext2's superblock is there.
is_ext() {
  [ "$(dd if="$1" bs=1 skip=1080 count=2 2>/dev/null | hexdump -e '2/1 "%02x"')" = 53ef ]
}

# format_data writes few inodes, so that a large disk stays a small file.
format_data() { mke2fs -q -F -m 0 -b 4096 -i 1048576 "$1" >/dev/null 2>&1; }
