# Twelve hosts in two zones, half of them with SSDs: the fleet of the reference, simulated. The host block
# is written once; a host is drained by naming it in prod.auto.npvars.

novaplan {
  fleet            = "prod"
  stack            = "base"
  required_version = ">= 0.1"
}

variable "drain" {
  type    = set(string)
  default = []
}

locals {
  hosts = merge(
    { for n in range(1, 7) : "a${n}" => { zone = "az1", n = n, disk = n < 4 ? "ssd" : "hdd" } },
    { for n in range(1, 7) : "b${n}" => { zone = "az2", n = n, disk = n < 4 ? "ssd" : "hdd" } },
  )
}

zone "az1" {}
zone "az2" {}

host "kvm" {
  for_each             = local.hosts
  name                 = each.key
  uri                  = "sim://${each.key}"
  zone                 = zone[each.value.zone]
  labels               = { disk = each.value.disk }
  mode                 = contains(var.drain, each.key) ? "drain" : "active"
  reserved_host_memory = "4GiB"
  bridge_mappings      = { lan = each.value.zone == "az1" ? "br0" : "vmbr1" }

  capacity {
    vcpus = 32
    ram   = "96GiB"
    disk  = "4TiB"
  }
}

aggregate "fast" {
  hosts    = [for h in host.kvm : h if h.labels.disk == "ssd"]
  metadata = { ssd = "true" }
}

pool "vms" {
  path   = "/srv/vms"
  shared = true
}
