package main

// elsewhere says how novaplan does what a command of Terraform, Nova or virsh does; "" when name is
// none of those.
func elsewhere(name string) string {
	switch name {
	case "init", "get", "providers":
		return "nothing has to be prepared; begin with novaplan plan"
	case "show", "list", "ls", "ps", "refresh", "state", "hosts", "instances":
		return "novaplan status looks at the hosts and shows what is there"
	case "output", "outputs":
		return "apply ends with the outputs; novaplan apply with nothing to do only shows them"
	case "import", "adopt":
		return "what novaplan didn't create it doesn't touch; novaplan takeover rebuilds a lost record of its own guests"
	case "drain", "evacuate", "cordon", "uncordon", "undrain", "enable", "disable":
		return `write mode = "drain", "cordon" or "active" in the block of the host, then novaplan apply`
	case "migrate", "live-migration", "move", "mv":
		return "write host = host.NAME in the block of the instance to move it, or a moved block to rename it; then novaplan apply"
	case "start", "stop", "pause", "suspend", "resume", "shutdown":
		return `write state = "running", "stopped", "paused" or "suspended" in the block of the instance, then novaplan apply`
	case "create", "boot", "run", "delete", "rm", "up", "down":
		return "what is in the spec is created and what isn't is terminated, by novaplan apply"
	case "reboot", "resize", "rebuild", "rescue", "shelve", "taint", "untaint":
		return "this version has no action that interrupts a guest to change it"
	case "ssh", "log", "logs":
		return "novaplan console ADDRESS connects to a serial port"
	case "why":
		return "novaplan explain ADDRESS says why an instance is where it is"
	}
	return ""
}

// flagElsewhere names our flag for one that others call differently, without dashes.
func flagElsewhere(name string) string {
	switch name {
	case "y", "yes", "f", "force", "assume-yes", "autoapprove":
		return "auto-approve"
	case "p", "j":
		return "parallelism"
	case "t":
		return "target"
	}
	return ""
}
