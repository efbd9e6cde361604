host "parameter" { uri = "qemu+ssh://kvm1/system?keyfile=/k" }
host "misspelt" { uri = "qemu+tls://kvm2/system?pkpath=/pki" }
host "socket" { uri = "qemu:///system?sock=/run/x" }
host "implied" { uri = "qemu://kvm3/system?socket=/run/x" }
host "dash" { uri = "qemu+ssh://-oProxyCommand=x@kvm4/system" }
host "dashed" { uri = "qemu+ssh://root@-kvm4/system" }
host "port" { uri = "qemu+tcp://kvm5:99999/system" }
host "unix" { uri = "qemu+unix://kvm6/system" }
host "nobody" { uri = "qemu+tcp://:16509/system" }
host "peer" {
  uri      = "qemu+ssh://kvm7/system"
  peer_uri = "qemu+tcp://10.0.0.7/systen"
}
