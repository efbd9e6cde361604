# What there is: three hosts, the storage and network they have in common, and one image.
# The hosts are those of `examples/lab/lab up`; put your own URIs here, for example
# "qemu+ssh://root@kvm1.example.org/system", and nothing else on them has to change.

novaplan {
  fleet = "quickstart" # written on each host: no other fleet can touch it while it stands there
}

variable "image" {
  description = "A bootable qcow2 file: here the small Linux that the lab builds."
  type        = string
  default     = "/var/tmp/novaplan-lab/guest/guest.qcow2"
}

locals {
  subnet = "10.77.0"
}

zone "lab" {}

host "kvm1" {
  uri             = "qemu+tcp://${local.subnet}.11/system"
  zone            = zone.lab
  bridge_mappings = { lan = "br0" } # the network "lan" is the bridge br0 on this host
  mode            = "active"        # write "drain" here to empty the host
}

host "kvm2" {
  uri             = "qemu+tcp://${local.subnet}.12/system"
  zone            = zone.lab
  bridge_mappings = { lan = "br0" }
  mode            = "active"
}

host "kvm3" {
  uri             = "qemu+tcp://${local.subnet}.13/system"
  zone            = zone.lab
  bridge_mappings = { lan = "br0" }
  mode            = "active"
}

pool "shared" { # the same directory on every host: moves copy the memory only
  path   = "/srv/shared"
  shared = true
}

pool "local" { # each host its own: moves copy the disk too
  path = "/var/lib/libvirt/images"
}

image "linux" {
  source = var.image
  format = "qcow2"
}

network "lan" {
  physical_network = "lan"
  cidr             = "${local.subnet}.0/24"
  gateway          = "${local.subnet}.1"
  allocation_pool  = ["${local.subnet}.101", "${local.subnet}.199"] # who gets which is decided when planning
}
