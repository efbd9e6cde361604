locals {
  now   = timestamp()
  id    = uuid()
  file  = file("missing.txt")
  tpl   = templatefile("missing.tftpl", {})
  nope  = frobnicate(1)
  list  = range(1, 9999999)
  width = format("%9999999d", 1)
}
