zone "az1" {}
flavor "small" {
  vcpus = 1
  ram   = 512
}
image "debian" { source = "/srv/debian.qcow2" }
network "lan" {
  bridge = "br0"
  cidr   = "10.0.0.0/24"
}

instance "a" {
  count  = -1
  flavor = flavor.small
  image  = image.debian
}
instance "b" {
  count    = 1
  for_each = {}
  flavor   = flavor.small
  image    = image.debian
}
instance "c" {
  for_each = ["x"]
  flavor   = flavor.small
  image    = image.debian
}
instance "d" {
  flavor = flavor.small
  image  = image.debian
  name   = "d${count.index}"
}
instance "e" {
  for_each = { x = 1 }
  flavor   = flavor[each.valeu]
  image    = image.debian
}
instance "f" {
  count  = 3
  flavor = flavor.small
  image  = image.debian
  nic {
    network  = network.lan
    fixed_ip = cidrhost(network.lan.cidr, count.index * 200)
  }
}
instance "g" {
  count  = 2000000
  flavor = flavor.small
  image  = image.debian
}
