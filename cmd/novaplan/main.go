// Command novaplan plans and builds fleets of virtual machines from files.
//
// Each subcommand has its file. They load a folder (folder.go), reach a controller (session.go), ask
// it through the API client, and write what it says (package render). This is where all rooms are
// wired together; nothing imports this package.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Set by the linker; see the Makefile.
var (
	version = "dev"
	commit  = ""
)

func main() { os.Exit(realMain()) }

func realMain() int {
	tuneMemory()
	return run(context.Background(), os.Args[1:], &console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ()})
}

// tuneMemory lets a command that lives for a second spend memory instead of time on collecting
// garbage, up to a quarter of what the machine has. GOGC and GOMEMLIMIT in the environment win.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	var machine unix.Sysinfo_t
	if os.Getenv("GOMEMLIMIT") == "" && unix.Sysinfo(&machine) == nil {
		debug.SetMemoryLimit(max(int64(machine.Totalram)*int64(machine.Unit)/4, 256<<20))
	}
}
