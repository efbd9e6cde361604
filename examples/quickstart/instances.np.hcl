# What is wanted: five machines. novaplan picks the hosts; `novaplan explain instance.web[0]` says why.

flavor "tiny" {
  vcpus = 1
  ram   = "192MiB"
  disk  = "256MiB"
}

server_group "web" {
  policy = "anti-affinity" # at most so many of them on one host:

  max_server_per_host = 2
}

instance "web" { # web[0], web[1], web[2]: their identity, wherever they run
  count     = 3
  flavor    = flavor.tiny
  image     = image.linux
  pool      = pool.shared
  zone      = zone.lab
  group     = server_group.web
  user_data = local.hello

  nic { network = network.lan }
}

instance "db" {
  for_each  = toset(["primary", "standby"])
  flavor    = flavor.tiny
  image     = image.linux
  pool      = pool.local
  zone      = zone.lab
  user_data = local.hello

  nic { network = network.lan }
}

locals {
  # Runs in each guest at boot and tells its serial port which neighbours answer.
  hello = <<-EOT
    #!/bin/sh
    while sleep 2; do
      seen=""
      for n in 101 102 103 104 105; do
        ping -c 1 -W 1 ${local.subnet}.$n >/dev/null 2>&1 && seen="$seen ${local.subnet}.$n"
      done
      echo "neighbours:$seen" >/dev/console
    done
  EOT
}

output "addresses" {
  value = merge(
    { for i in instance.web : i.name => i.nic[0].fixed_ip },
    { for k, i in instance.db : i.name => i.nic[0].fixed_ip },
  )
}
