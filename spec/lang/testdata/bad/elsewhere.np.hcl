terraform {
  required_version = ">= 1.0"
}
provider "libvirt" {}
resource "libvirt_domain" "web" {}
flavor "small" {
  vcpus  = 1
  ram    = "1GiB"
  memory = 1024
}
server_group "db" {
  policies = ["anti-affinity"]
}
instance "web" {
  flavor            = flavor.small
  availability_zone = "az1"
  network_interface {}
}
