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
  flavor = "small"
  image  = image.debain
  zone   = "az1"
  group  = flavor.small
  host   = host.kvm["a1"]
  state  = running
  nic { network = netwrok.lan }
}
instance "two" {
  flavor = flavor.small[0]
  image  = local.imgae
  zone   = var.zone
}
