# shellcheck shell=bash
# The Debian packages a lab needs, and the ones that build its guest.

LAB_PACKAGES=(libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils iproute2 openssh-client
  util-linux busybox-static cpio dosfstools gzip mtools syslinux xz-utils)

missing_packages() {
  local package
  for package in "${LAB_PACKAGES[@]}"; do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
      'install ok installed') ;;
      *) echo "$package" ;;
    esac
  done
}

command_install() {
  need_debian
  local missing
  missing=$(missing_packages)
  if [ -z "$missing" ]; then
    echo "lab: all packages are installed"
    return
  fi
  need_root
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  # shellcheck disable=SC2086 # a list of packages
  apt-get -q -y install --no-install-recommends $missing
}
