image "debian" { source = "/srv/debian.qcow2" }
flavor "small" {
  vcpus = 1
  ram   = 512
}
flavor "large" {
  vcpus       = 1e30
  ram         = 99999999999999999999
  disk        = "9999999999999TiB"
  ephemeral   = -1e30
  swap        = "9000PiB"
  extra_specs = { "capabilities:a" = "<or>", "capabilities:b" = ">= abc", c = "<in>" }
}
instance "name" {
  flavor = flavor.small
  image  = image.debian
  name   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
}
instance "ends" {
  flavor = flavor.small
  image  = image.debian
  name   = "-a."
}
instance "self" {
  flavor         = flavor.small
  image          = image.debian
  different_host = [instance.self, instance.gone, image.debian, "instance.ends"]
  depends_on     = [instance.self]
}
instance "numbers" {
  for_each = toset([1, 2])
  flavor   = flavor.small
  image    = image.debian
}
variable "null" {
  nullable = false
  default  = null
}
scheduler {
  filters = ["ram", "cor", "AvailabilityZoneFilter"]
  weigher "ram" { multiplier = 1e400 }
  weigher "rams" { multiplier = 1 }
}
