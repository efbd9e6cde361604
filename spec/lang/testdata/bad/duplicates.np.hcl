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

zone "az1" {}
instance "web" {
  count  = 2
  flavor = flavor.small
  image  = image.debian
  nic {
    network  = network.lan
    fixed_ip = "10.0.0.7"
  }
}
instance "web-1" {
  flavor = flavor.small
  image  = image.debian
}
host "a" { uri = "sim://x" }
host "b" { uri = "sim://x" }
host "c" {
  uri  = "qemu+ssh://root@c/system"
  name = "a"
}
novaplan {}
novaplan {}
locals { x = 1 }
locals { x = 2 }
variable "v" { default = 1 }
variable "v" { default = 1 }
output "o" { value = 1 }
output "o" { value = 1 }
