package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the checkout.
const root = "../.."

// novaplan is the program, built once for all tests.
var novaplan string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "novaplan-docs-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	novaplan = filepath.Join(dir, "novaplan")
	build := exec.Command("go", "build", "-o", novaplan, "./cmd/novaplan")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// shell runs a line as a user would type it, with the built program as bin/novaplan and novaplan.
func shell(t *testing.T, dir, line string) string {
	t.Helper()
	line = strings.ReplaceAll(line, "bin/novaplan", "novaplan")
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", line)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(novaplan)+":"+os.Getenv("PATH"), "HOME="+t.TempDir(), "NO_COLOR=1", "XDG_CACHE_HOME="+t.TempDir())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out.String())
	}
	return out.String()
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// copyOf returns a copy of an example, without what an earlier run left in it.
func copyOf(t *testing.T, example string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "examples", example, "*.np*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files: %v", example, err)
	}
	dir := t.TempDir()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestReadmeSpec plans the spec on the README's first screen, on simulated hosts: it must be complete.
func TestReadmeSpec(t *testing.T) {
	block := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindStringSubmatch(readme(t))
	if block == nil {
		t.Fatal("the README has no spec")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.np.hcl"), []byte(block[1]), 0o644); err != nil {
		t.Fatal(err)
	}
	shell(t, dir, "novaplan fmt -check")
	if out := shell(t, dir, "novaplan plan -simulate"); !strings.Contains(out, "Plan: 3 instances to create") {
		t.Errorf("the README's spec plans as:\n%s", out)
	}
}

// TestReadmeCommands holds each command of the README against the program: it must exist with these flags.
func TestReadmeCommands(t *testing.T) {
	known := shell(t, root, "novaplan --help")
	used := regexp.MustCompile("`novaplan ([a-z]+)").FindAllStringSubmatch(readme(t), -1)
	if len(used) < 6 {
		t.Fatalf("the README names %d commands only: the pattern is broken", len(used))
	}
	for _, u := range used {
		if !regexp.MustCompile(`(?m)^  ` + u[1] + ` `).MatchString(known) {
			t.Errorf("the README says `novaplan %s`, which there isn't", u[1])
		}
	}
}

// TestReadmeTargets holds each make target of the README and CONTRIBUTING against the Makefile.
func TestReadmeTargets(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	contributing, err := os.ReadFile(root + "/CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range regexp.MustCompile("(?m)(?:`|\\$ )make ([a-z-]+)").FindAllStringSubmatch(readme(t)+string(contributing), -1) {
		if !regexp.MustCompile(`(?m)^` + use[1] + `:`).Match(makefile) {
			t.Errorf("make %s: the Makefile has no such target", use[1])
		}
	}
}

// TestReadmeLinks follows the links into the checkout.
func TestReadmeLinks(t *testing.T) {
	for _, link := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(readme(t), -1) {
		if _, err := os.Stat(filepath.Join(root, link[1])); err != nil {
			t.Errorf("the README links to %s: %v", link[1], err)
		}
	}
}

// TestSimulatedExample does what the README says without root: apply, and then nothing is left to do.
func TestSimulatedExample(t *testing.T) {
	dir := copyOf(t, "simulated")
	shell(t, dir, "novaplan apply -auto-approve")
	if out := shell(t, dir, "novaplan plan -detailed-exitcode"); !strings.HasPrefix(out, "No changes.") {
		t.Errorf("the plan after an apply is not empty:\n%s", out)
	}
	if out := shell(t, dir, "novaplan status"); strings.Count(out, "running") != 6 {
		t.Errorf("not all six instances run:\n%s", out)
	}
	shell(t, dir, "novaplan destroy -auto-approve")
}

// TestExamplesPlan plans every example on simulated hosts and checks its layout.
func TestExamplesPlan(t *testing.T) {
	want := map[string]string{
		"quickstart": "Plan: 5 instances to create",
		"simulated":  "Plan: 6 instances to create",
		"fleet-12":   "Plan: 40 instances to create",
		"fleet-1000": "Plan: 10000 instances to create",
	}
	specs, err := filepath.Glob(root + "/examples/*/*.np.hcl")
	if err != nil {
		t.Fatal(err)
	}
	var examples []string
	for _, s := range specs {
		examples = append(examples, filepath.Base(filepath.Dir(s)))
	}
	for _, example := range slices.Compact(examples) {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, example)
			shell(t, dir, "novaplan fmt -check -recursive")
			if out := shell(t, dir, "novaplan plan -simulate"); want[example] == "" || !strings.Contains(out, want[example]) {
				t.Errorf("want %q in:\n%s", want[example], out)
			}
		})
	}
}
