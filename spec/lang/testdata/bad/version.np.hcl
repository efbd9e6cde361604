novaplan {
  required_version = ">= 99"
  fleet            = "my fleet"
}
scheduler {
  preset  = "novaa"
  filters = ["ram", "cpu"]
}
migration { parallel_total = 0 }
