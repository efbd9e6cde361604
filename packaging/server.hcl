# The novaplan server. As it stands: one server, for this machine only, in plain text on loopback. See
# /usr/share/doc/novaplan/server.md, and check with: novaplan server -check

data_dir = "/var/lib/novaplan"

# For other machines: an address that they reach, and certificates (novaplan tls). Files readable by group novaplan
# are read again when they are renewed.
#
# address = "10.0.0.1:8440"
# tls {
#   ca   = "ca.pem"
#   cert = "server-alpha.pem"
#   key  = "server-alpha-key.pem"
# }

# For three servers, alike on all of them:
#
# bootstrap_expect = 3
# retry_join       = ["10.0.0.1:8440", "10.0.0.2:8440", "10.0.0.3:8440"]
# secrets_key      = "${credentials}/novaplan_secrets.key" # from /etc/novaplan/credentials/secrets.key

# A folder to watch and apply:
#
# spec_dir = "/etc/novaplan/fleet"

log {
  level = "info"
}
