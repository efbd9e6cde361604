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

instance "db" {
  for_each = toset(["primary"])
  flavor   = flavor.small
  image    = image.debian
}
instance "web" {
  flavor         = flavor.small
  image          = image.debian
  different_host = ["instance.db"]
  same_host      = [instance.db["primry"], instance.web]
  depends_on     = [image.debian]
}
instance "x" {
  flavor     = flavor.small
  image      = image.debian
  depends_on = [instance.y]
}
instance "y" {
  flavor     = flavor.small
  image      = image.debian
  depends_on = [instance.x]
}
moved {
  from = instance.web
  to   = instance.gone
}
moved {
  from = instance.old
  to   = instance.db["secondary"]
}
moved {
  from = instance.p
  to   = instance.q
}
moved {
  from = instance.q
  to   = instance.p
}
moved {
  from = flavor.tiny
  to   = image.debian
}
removed { from = instance.x }
removed { from = "instance.z" }
zone "z" { name = instance.web.name }
