package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"novaplan": func() { os.Exit(realMain()) }})
}

// TestScripts runs testdata/script/*.txtar: what a user types, and what comes of it. All of it happens on
// simulated hosts, whose truth survives the commands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, ".config"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, ".cache"))
			example, err := os.ReadFile("../../examples/simulated/fleet.np.hcl")
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "example.np.hcl"), example, 0o644)
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return os.Getuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"until":  until,
			"edit":   edit,
			"absent": absent,
			"behind": behind,
			"logs":   logs,
			"ports":  ports,
		},
	})
}

// until runs a command again and again until its output matches: until REGEXP COMMAND ARG...
func until(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	const most = 2000
	var out []byte
	for range most {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir, cmd.Env = ts.Getenv("WORK"), append(os.Environ(), "PATH="+ts.Getenv("PATH"), "HOME="+ts.Getenv("HOME"))
		out, _ = cmd.CombinedOutput() // it may fail until it matches
		if want.Match(out) {
			return
		}
	}
	ts.Fatalf("%q never matched; last:\n%s", args[0], out)
}

// edit replaces text in a file: edit FILE OLD NEW. OLD must be there.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	old, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(old, []byte(args[1])) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(old, []byte(args[1]), []byte(args[2])), 0o644))
}

// absent fails when a text is in any file below a folder: absent TEXT DIR
func absent(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(data, []byte(args[0])) {
			ts.Fatalf("%s holds %q", path, args[0])
		}
		return nil
	}))
}

// behind does something on a simulated host behind novaplan's back: behind HOST destroy|pause|undefine ADDRESS
func behind(ts *testscript.TestScript, _ bool, args []string) {
	w, err := sim.Open(ts.MkAbs(".novaplan/sim/hosts"), sim.Options{})
	ts.Check(err)
	defer w.Close()
	ctx := context.Background()
	host := w.Behind(args[0])
	domains, err := host.ListDomains(ctx)
	ts.Check(err)
	for _, d := range domains {
		if d.Stamp != nil && d.Stamp.Address == args[2] {
			ts.Check(meddle(ctx, host, args[1], d.UUID))
			return
		}
	}
	ts.Fatalf("%s is not on %s", args[2], args[0])
}

func meddle(ctx context.Context, host hypervisor.Host, verb, uuid string) error {
	switch verb {
	case "pause":
		return host.PauseDomain(ctx, uuid)
	case "destroy":
		return host.DestroyDomain(ctx, uuid)
	}
	if err := host.DestroyDomain(ctx, uuid); err != nil {
		return err
	}
	return host.UndefineDomain(ctx, uuid)
}
