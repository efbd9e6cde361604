instanse "web" {}
frobnicate "x" {}
stray = 1
