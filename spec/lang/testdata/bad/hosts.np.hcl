host "a" { uri = "kvm1" }
host "b" { uri = "qemu+shh://root@kvm1/system" }
host "c" { uri = "qemu+ssh://root:secret@kvm1/system" }
host "d" { uri = "xen:///" }
host "e" {
  uri                  = "qemu+ssh://kvm1/system"
  mode                 = "drained"
  cpu_allocation_ratio = 0
  capacity {
    vcpus = 1
  }
  capacity {
    vcpus = 2
  }
  fence {}
  dynamic "fense" {
    for_each = []
    content {}
  }
}
host "f" {}
aggregate "g" { hosts = ["a", "b"] }
server_group "h" {
  policy              = "affinity"
  max_server_per_host = 3
}
server_group "h2" {
  policy             = "anti-affinity"
  split_while_moving = true
}
keypair "k" { public_key = "-----BEGIN OPENSSH PRIVATE KEY-----" }
image "i" {
  source   = "ftp://x/y"
  checksum = "md5:00"
  format   = "vmdk"
}
