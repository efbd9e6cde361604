flavor "small" {
  vcpus = 1
  ram   = 512
}
image "debian" { source = "/srv/debian.qcow2" }
instance "web" {
  count  = 2
  flavor = flavor.small
  image  = image.debian
}
instance "broken" {
  count  = 2
  flavor = flavor.smaller
  image  = image.debian
}

# All of these are known to be wrong before anything is done.
output "function" { value = uppr("x") }
output "attribute" { value = flavor.small.cpus }
output "decided" { value = instance.web[0].hots.name }
output "each" { value = { for i in instance.web : i.name => i.nick[0].fixed_ip } }
output "element" { value = instance.web[2].name }
output "key" { value = instance.web["a"].name }
output "host" { value = instance.web[0].host.nmae }

# What is wrong with an instance is said there.
output "broken" { value = instance.broken[0].name }

# A type that is known only later.
output "nic" { value = upper(instance.web[1].nic) }
