#!/bin/bash
# enter.sh LAB HOST CMD...: runs inside fresh mount and UTS namespaces of a host
# and makes them that host's before it becomes CMD. Nothing here has to be
# undone: the mounts end with the last process that sees them.
set -euo pipefail

lab=$1 host=$2
dir=$lab/$host
shift 2

hostname "$host"

# The folders libvirt keeps things in are the host's own.
mkdir -p /run/lock # consoles are locked here; minimal systems lack it
mkdir -p /run/libvirt /var/cache/libvirt /var/log/libvirt /var/lib/libvirt /etc/libvirt
mount --bind "$dir/etc" /etc/libvirt
mount --bind "$dir/lib" /var/lib/libvirt
mount --bind "$dir/cache" /var/cache/libvirt
mount --bind "$dir/log" /var/log/libvirt
mount --bind "$dir/run" /run/libvirt
mount --bind "$lab/hosts" /etc/hosts
mount --bind "$dir/hostname" /etc/hostname

# libvirt would otherwise find the machine's systemd, polkit and firewalld.
if [ -d /run/dbus ]; then mount -t tmpfs none /run/dbus; fi

# A /dev without kvm: guests are emulated, on any machine alike. A /dev/kvm that
# is there and fails makes libvirt start guests that can't run.
mount -t tmpfs -o mode=755 none "$dir/dev"
mkdir "$dir"/dev/{net,pts,shm,mapper}
node() { mknod -m "$4" "$dir/dev/$1" c "$2" "$3"; }
node null 1 3 666
node zero 1 5 666
node full 1 7 666
node random 1 8 666
node urandom 1 9 666
node tty 5 0 666
node ptmx 5 2 666
node net/tun 10 200 666
ln -s /proc/self/fd "$dir/dev/fd"
ln -s /proc/self/fd/0 "$dir/dev/stdin"
ln -s /proc/self/fd/1 "$dir/dev/stdout"
ln -s /proc/self/fd/2 "$dir/dev/stderr"
mount --bind /dev/pts "$dir/dev/pts"
mount --bind /dev/shm "$dir/dev/shm"
mount --rbind "$dir/dev" /dev

# Last, as it may hide the folder the lab is in: the storage all hosts share, at
# a path that is the same in each lab.
mount --bind "$lab/shared" "$dir/srv/shared"
mount --rbind "$dir/srv" /srv

cd /
exec "$@"
