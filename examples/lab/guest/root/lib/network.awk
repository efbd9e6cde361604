# Reads network-config as a stream of words, so that block YAML, flow YAML and
# JSON look alike. Keys we don't know name an interface and begin a new one, and
# so does version 1's mac_address after an interface that has one already.

BEGIN {
  split("version network config ethernets match macaddress mac_address addresses address " \
        "netmask gateway gateway4 routes to via nameservers search dhcp4 dhcp6 set-name mtu " \
        "subnets type name optional dns_nameservers metric", list)
  for (i in list) known[list[i]] = 1
}

{
  gsub(/#.*/, "")
  line = $0
  while (match(line, /"[A-Za-z0-9_.-]+" *:/)) { # JSON's keys
    key = substr(line, RSTART + 1, RLENGTH - 1)
    sub(/" *:/, ": ", key)
    line = substr(line, 1, RSTART - 1) " " key substr(line, RSTART + RLENGTH)
  }
  gsub(/[]["'{},]/, " ", line)
  count = split(line, words, /[ \t\r]+/)
  for (i = 1; i <= count; i++) word(words[i])
}

END { finish() }

function word(w) {
  if (w == "" || w == "-") return
  if (w ~ /:$/) {
    sub(/:$/, "", w)
    if (!(w in known)) finish()
    if (w == "mac_address" && mac != "") finish()
    key = w
    if (w == "nameservers") in_nameservers = 1
    else if (w != "addresses" && w != "search") in_nameservers = 0
    return
  }
  value(w)
}

function value(w) {
  if (key == "macaddress" || key == "mac_address") mac = tolower(w)
  else if (key == "address" || (key == "addresses" && !in_nameservers)) addresses[++n] = w
  else if (key == "netmask") netmask = w
  else if (key == "gateway" || key == "gateway4") gateway = w
  else if (key == "to") to = w
  else if (key == "via") via = w
  if (via != "" && (to == "default" || to == "0.0.0.0/0")) { gateway = via; to = via = "" }
}

# finish prints what is known of an interface. Version 6 addresses are left out.
function finish(    i, a) {
  for (i = 1; i <= n; i++) {
    a = addresses[i]
    if (a ~ /:/ || mac == "") continue
    if (a !~ /\//) a = a "/" prefix(netmask)
    print mac, a, (gateway == "" ? "-" : gateway)
  }
  n = 0
  mac = gateway = netmask = to = via = ""
}

function prefix(mask,    parts, i, bits, octet) {
  split(mask == "" ? "255.255.255.0" : mask, parts, ".")
  for (i = 1; i <= 4; i++)
    for (octet = parts[i]; octet > 0; octet = (octet * 2) % 256) bits++
  return bits + 0
}
