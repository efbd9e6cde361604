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

flavor "m1.small" {
  vcpus       = 2
  ram         = "1.5GiB"
  disk        = "10GiB"
  ephemeral   = 1
  swap        = "512MiB"
  extra_specs = { "capabilities:cpu_info:features" = "<in> avx", x = "<or> a <or> b", "hw:cpu_policy" = "=> ignored" }
}
locals {
  nets  = { front = network.lan, back = network.back }
  sizes = { small = flavor.small, big = flavor["m1.small"] }
}
network "back" {
  libvirt_network = "default"
}
host "kvm" {
  count = 2
  uri   = "sim://h${count.index}"
  zone  = zone.az1
  capacity {
    vcpus = 8
    ram   = "16GiB"
    disk  = 100
  }
}
aggregate "all" { hosts = host.kvm }
instance "a" {
  for_each = { x = "small", y = "big" }
  flavor   = local.sizes[each.value]
  image    = image.debian
  zone     = host.kvm[0].zone
  host     = each.key == "x" ? host.kvm[1] : null
  locked   = each.key == "y" ? "do not touch" : false
  dynamic "nic" {
    for_each = each.key == "x" ? ["front", "back"] : ["back"]
    iterator = n
    labels   = [n.value]
    content {
      network = local.nets[n.value]
    }
  }
  lifecycle { ignore_changes = [metadata] }
}
instance "b" {
  count            = 2
  flavor           = flavor.small
  image            = image.debian
  different_host   = [instance.a["x"]]
  depends_on       = [instance.a]
  shutdown_timeout = "2m"
  trash_retention  = "7d"
  nic {
    network  = network.lan
    fixed_ip = cidrhost(network.lan.cidr, 10 + count.index)
    mac      = "52:54:00:AA:00:0${count.index}"
  }
}
instance "c" {
  count          = 2
  flavor         = flavor.small
  image          = image.debian
  different_host = [instance.b[count.index]]
  user_data      = yamlencode({ n = count.index })
}
moved {
  from = instance.c
  to   = instance.c[0]
}
moved {
  from = instance.oldest
  to   = instance.older
}
moved {
  from = instance.older
  to   = instance.a["x"]
}
removed { from = instance.gone }
scheduler {
  filters = ["ram", "core"]
  weigher "ram" { multiplier = -1 }
}
migration { bandwidth = 100 }
