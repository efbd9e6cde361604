variable "password" {
  default   = "hunter2"
  sensitive = true
}
locals { url = "http://u:${var.password}@x/" }
zone "a" { name = var.password }
image "i" { source = local.url }
zone "b" { name = parseint(var.password, 10) }
host "h" {
  count = var.password
  uri   = "sim://x"
}
output "o" { value = local.url }
