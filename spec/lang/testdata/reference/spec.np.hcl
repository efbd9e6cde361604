# The part of the reference spec that this version has. It parses, is stable under formatting,
# and has no reference cycle. Checksum and addresses are made up.

novaplan {
  fleet            = "prod" # claimed on hosts, stamped on domains; no other fleet can touch them
  stack            = "base" # whose blocks these are; other folders may be other stacks of the same fleet
  required_version = ">= 0.1"
}

variable "drain" { # set in prod.auto.npvars: drain = ["b3"]
  type    = set(string)
  default = []
}

variable "ipmi_password" {
  type      = string
  sensitive = true
}

locals {
  hosts = merge(
    { for n in range(1, 7) : "a${n}" => { zone = "az1", net = "10.1", n = n, disk = n < 4 ? "ssd" : "hdd" } },
    { for n in range(1, 7) : "b${n}" => { zone = "az2", net = "10.2", n = n, disk = n < 4 ? "ssd" : "hdd" } },
  )
  dbs = { primary = "az1", standby = "az2" }
}

zone "az1" {}
zone "az2" {}

host "kvm" { # host.kvm["a1"], shown as "a1"
  for_each             = local.hosts
  name                 = each.key
  uri                  = "qemu+ssh://root@${each.value.net}.0.${each.value.n}/system"
  zone                 = zone[each.value.zone]
  labels               = { disk = each.value.disk }
  mode                 = contains(var.drain, each.key) ? "drain" : "active" # active | cordon | drain | fenced
  reserved_host_memory = "4GiB"
  bridge_mappings      = { lan = each.value.zone == "az1" ? "br0" : "vmbr1" }
  fence {
    agent   = "fence_ipmilan"
    options = { ip = "${each.value.net}.9.${each.value.n}", password = var.ipmi_password }
  }
}

aggregate "fast" {
  hosts    = [for h in host.kvm : h if h.labels.disk == "ssd"]
  metadata = { ssd = "true" }
}

pool "vms" { # without shared = true a pool is local to each host
  path   = "/srv/vms"
  shared = true
}

flavor "m1.small" { # not an identifier: flavor["m1.small"]
  vcpus = 1
  ram   = "2GiB" # plain numbers are Nova's: MiB for ram and swap, GiB for disk; "GB" is refused: write GiB
  disk  = "20GiB"
}

flavor "db" {
  vcpus       = 4
  ram         = "16GiB"
  disk        = "40GiB"
  extra_specs = { "aggregate_instance_extra_specs:ssd" = "true" }
}

image "debian" {
  source     = "https://mirror.example.org/debian-13-genericcloud-amd64.qcow2"
  checksum   = "sha512:9f2c..."
  properties = { hw_architecture = "x86_64" }
}

network "lan" {
  physical_network = "lan" # key of the hosts' bridge_mappings; or bridge = "br0.120"; or libvirt_network = "default"
  cidr             = "10.20.0.0/16"
  gateway          = "10.20.0.1"
  allocation_pool  = ["10.20.1.0", "10.20.9.255"]
}

keypair "ops" { public_key = file("ops.pub") }

server_group "web" { policy = "soft-anti-affinity" }
server_group "db" { policy = "anti-affinity" }

instance "web" {
  count     = 38
  flavor    = flavor["m1.small"]
  image     = image.debian
  pool      = pool.vms
  zone      = [zone.az1, zone.az2][count.index % 2]
  group     = server_group.web
  keypair   = keypair.ops
  state     = "running" # running | stopped | paused | suspended | shelved | rescued
  user_data = templatefile("web.yaml.tftpl", { n = count.index })
  metadata  = { disk = "any" }
  nic { network = network.lan }
  update {
    max_parallel     = 1 # how many of this block may be interrupted at once
    min_healthy_time = "10s"
  }
}

instance "db" {
  for_each       = local.dbs
  flavor         = flavor.db
  image          = image.debian
  pool           = pool.vms
  zone           = zone[each.value]
  group          = server_group.db
  keypair        = keypair.ops
  different_host = [instance.web[0]] # an address, not a value
  nic {
    network  = network.lan
    fixed_ip = cidrhost(network.lan.cidr, 10 + index(keys(local.dbs), each.key))
  }
  lifecycle {
    prevent_destroy = true
  }
}

scheduler {
  preset               = "nova"
  cpu_allocation_ratio = 8
  weigher "ram" { multiplier = -1 }
}

migration {
  parallel_per_host = 2
  parallel_total    = 8
}

moved {
  from = instance.database
  to   = instance.db["primary"]
}

output "db_ip" { value = { for k, i in instance.db : k => i.nic[0].fixed_ip } }
