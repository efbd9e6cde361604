locals {
  n    = range(1000)
  deep = [for a in [1] : [for b in [1] : [for c in [1] : [for d in [1] : [for e in [1] : e]]]]]
  slow = [for a in local.n : [for b in local.n : [for c in local.n : a]]]
}
