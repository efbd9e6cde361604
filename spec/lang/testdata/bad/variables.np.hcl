variable "count" {
  type    = number
  default = "three"
}
variable "name" { type = sting }
variable "size" {
  default = 3
  validation {
    condition     = var.size > 5
    error_message = "Size ${var.size} is too small."
  }
}
variable "given" {}
variable "computed" { default = upper("x") }
zone "a" { name = var.siez }
