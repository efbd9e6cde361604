module "shop" { source = "./shop" }
volume "data" { size = "1GiB" }
instance "web" {
  flavor = flavor.none
  attach { volume = volume.data }
  state = "shelved"
}
scheduler {
  filter "x" { condition = true }
  weigher "mine" { score = 1 }
  weigher "ramm" { multiplier = 1 }
}
pool "p" {
  type = "rbd"
  path = "/x"
}
output "m" { value = module.shop.x }
