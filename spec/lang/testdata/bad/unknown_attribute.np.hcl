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

instance "web" {
  flavour = flavor.small
  image   = image.debian
  nics { network = network.lan }
  nic = 1
  metadata { a = "b" }
}
