# Forty instances: web servers spread over both zones, and a database pair that is never on one host.

locals {
  dbs = { primary = "az1", standby = "az2" }
}

flavor "m1.small" {
  vcpus = 1
  ram   = "2GiB"
  disk  = "20GiB"
}

flavor "db" {
  vcpus       = 4
  ram         = "16GiB"
  disk        = "40GiB"
  extra_specs = { "aggregate_instance_extra_specs:ssd" = "true" }
}

image "debian" {
  source     = "https://images.example.org/debian-13.qcow2"
  checksum   = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
  properties = { hw_architecture = "x86_64" }
}

network "lan" {
  physical_network = "lan"
  cidr             = "10.20.0.0/16"
  gateway          = "10.20.0.1"
  allocation_pool  = ["10.20.1.0", "10.20.9.255"]
}

server_group "web" { policy = "soft-anti-affinity" }
server_group "db" { policy = "anti-affinity" }

instance "web" {
  count    = 38
  flavor   = flavor["m1.small"]
  image    = image.debian
  pool     = pool.vms
  zone     = [zone.az1, zone.az2][count.index % 2]
  group    = server_group.web
  metadata = { disk = "any" }
  nic { network = network.lan }
  update {
    max_parallel     = 1
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
  different_host = [instance.web[0]]
  nic {
    network  = network.lan
    fixed_ip = cidrhost(network.lan.cidr, 10 + index(keys(local.dbs), each.key))
  }
  lifecycle {
    prevent_destroy = true
  }
}

scheduler {
  cpu_allocation_ratio = 8
}

migration {
  parallel_per_host = 2
  parallel_total    = 8
}

output "db_ip" { value = { for k, i in instance.db : k => i.nic[0].fixed_ip } }
