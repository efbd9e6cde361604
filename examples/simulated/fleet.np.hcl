# A fleet for people without root: three simulated hosts. Everything novaplan does can be tried on them,
# only no guest really boots. Start with
#
#   novaplan apply examples/simulated
#
# then write mode = "drain" at a host below and look at `novaplan plan`.

host "kvm" {
  for_each = { a = "rack1", b = "rack1", c = "rack2" }
  name     = "kvm-${each.key}"
  uri      = "sim://kvm-${each.key}"
  labels   = { rack = each.value }
  mode     = "active"

  capacity {
    vcpus = 16
    ram   = "64GiB"
    disk  = "500GiB"
  }
}

pool "vms" {
  path   = "/srv/vms"
  shared = true
}

flavor "small" {
  vcpus = 2
  ram   = "4GiB"
  disk  = "20GiB"
}

image "debian" {
  source   = "https://images.example.org/debian-13.qcow2" # never fetched in a simulation
  checksum = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

network "lan" {
  bridge          = "br0"
  cidr            = "10.20.0.0/24"
  gateway         = "10.20.0.1"
  allocation_pool = ["10.20.0.100", "10.20.0.199"]
}

instance "app" {
  count  = 6
  flavor = flavor.small
  image  = image.debian
  pool   = pool.vms
  nic { network = network.lan }
}

output "where" {
  value = { for i in instance.app : i.name => "${i.host.name} ${i.nic[0].fixed_ip}" }
}
