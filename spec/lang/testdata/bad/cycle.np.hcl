locals {
  a = local.b
  b = local.c + 1
  c = local.a
}
host "one" { uri = host.two.uri }
host "two" { uri = host.one.uri }
output "x" { value = local.a }
