# The NoCloud config drive: any disk or CD-ROM whose label is cidata.

DRIVE=/run/cidata

# copy_config_drive copies the drive's files to /run/cidata and lets go of it.
copy_config_drive() {
  local device
  device=$(findfs LABEL=cidata 2>/dev/null) || device=$(findfs LABEL=CIDATA 2>/dev/null) || return 1
  mkdir -p $DRIVE
  mount -t vfat -o ro "$device" /mnt 2>/dev/null || mount -t iso9660 -o ro "$device" /mnt || return 1
  cp /mnt/* $DRIVE/
  umount /mnt
}

# meta KEY: a value of meta-data, which is YAML of one level, or JSON.
meta() {
  sed -n 's/^[ {,]*"\{0,1\}'"$1"'"\{0,1\} *: *"\{0,1\}\([^",}]*\).*/\1/p' $DRIVE/meta-data 2>/dev/null | head -n 1
}

set_identity() {
  NAME=$(meta local-hostname)
  [ -n "$NAME" ] || NAME=$(meta hostname)
  INSTANCE=$(meta instance-id)
  : "${NAME:=unnamed}" "${INSTANCE:=none}"
  hostname "$NAME"
}

# run_user_data: a script runs in the background; cloud-config is only named.
run_user_data() {
  local first
  first=$(head -n 1 $DRIVE/user-data 2>/dev/null)
  case $first in
    '#!'*)
      say "user-data: script"
      chmod +x $DRIVE/user-data
      $DRIVE/user-data </dev/null &
      ;;
    '#cloud-config'*) say "user-data: cloud-config, $(wc -c <$DRIVE/user-data) bytes, not interpreted" ;;
    '') say "user-data: none" ;;
    *) say "user-data: of an unknown kind: $first" ;;
  esac
}
