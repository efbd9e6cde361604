# A thousand simulated hosts in ten zones with ten thousand instances, in sixty lines: how it feels at
# the size of a large operator.
#
#   novaplan plan -simulate examples/fleet-1000

variable "hosts" {
  type    = number
  default = 1000
}

variable "instances" {
  type    = number
  default = 10000
}

zone "az" {
  count = 10
  name  = "az${count.index}"
}

host "kvm" {
  count  = var.hosts
  name   = format("kvm%04d", count.index)
  uri    = format("sim://kvm%04d", count.index)
  zone   = zone.az[count.index % 10]
  labels = { rack = "rack${floor(count.index / 20)}" }

  capacity {
    vcpus = 64
    ram   = "512GiB"
    disk  = "8TiB"
  }
}

pool "vms" { # each host's own
  path = "/srv/vms"
}

flavor "size" {
  for_each = { small = 1, medium = 2, large = 4 }
  name     = each.key
  vcpus    = each.value
  ram      = "${each.value * 4}GiB"
  disk     = "${each.value * 20}GiB"
}

image "debian" {
  source   = "https://images.example.org/debian-13.qcow2"
  checksum = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

network "lan" {
  bridge          = "br0"
  cidr            = "10.0.0.0/8"
  gateway         = "10.0.0.1"
  allocation_pool = ["10.1.0.0", "10.200.255.255"]
}

instance "vm" {
  count  = var.instances
  flavor = flavor.size[["small", "medium", "large"][count.index % 3]]
  image  = image.debian
  pool   = pool.vms
  zone   = zone.az[count.index % 10]
  nic { network = network.lan }
}
