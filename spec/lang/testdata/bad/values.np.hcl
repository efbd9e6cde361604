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

flavor "bad" {
  vcpus = 0
  ram   = "2GB"
  disk  = -1
  swap  = "lots"
  extra_specs = { "capabilities:cores" = ">= many" }
}
flavor "worse" {
  vcpus     = "two"
  ram       = 0.3
  ephemeral = [1]
  extra_specs = { a = "=> 3", b = "<or> a b" }
}
instance "web" {
  flavor           = flavor.small
  image            = image.debian
  state            = "runing"
  shutdown_timeout = 10
  locked           = []
  name             = "my web"
  metadata         = { a = [1] }
  lifecycle { ignore_changes = [flavr] }
  nic {
    network = network.lan
    mac     = "01:00:00:00:00:01"
  }
  nic {
    network  = network.lan
    fixed_ip = "10.0.1.4"
  }
  nic {
    network  = network.lan
    fixed_ip = "ten"
  }
}
