zone "a" {
  name = 
}
capacity { vcpus = 1, ram = 2 }
