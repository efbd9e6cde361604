host "a" { uri = "qemu:///system" }
flavor "small" {
  vcpus = 1
  ram   = 512
  disk  = 1
}
image "debian" {
  source   = "https://images.example.org/debian.qcow2"
  checksum = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
}
pool "fast" { path = "/srv/fast" }
pool "slow" { path = "/srv/slow" }

instance "told" {
  flavor = flavor.small
  image  = image.debian
  pool   = pool.slow
}

instance "silent" {
  count  = 3
  flavor = flavor.small
  image  = image.debian
}
