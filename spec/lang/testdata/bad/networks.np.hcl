network "a" { cidr = "10.0.0.1/24" }
network "b" {
  bridge           = "br0"
  physical_network = "lan"
}
network "c" {
  bridge          = "br0"
  cidr            = "10.0.0.0/24"
  gateway         = "10.0.1.1"
  allocation_pool = ["10.0.0.9", "10.0.0.5"]
}
network "d" {
  bridge          = "br0"
  cidr            = "10.0.0.0/24"
  allocation_pool = ["10.0.0.9", "10.1.0.5"]
  dns             = ["one"]
}
network "e" {
  bridge  = "br0"
  gateway = "10.0.0.1"
}
