package docs

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is a command of a document and the lines of its answer that are shown.
type step struct {
	command string
	shown   []string
}

var blocks = regexp.MustCompile("(?s)```(console|hcl)\n(.*?)```")

// session returns the steps of a document's console blocks. Its files, named in their first line, become
// steps that write them.
func session(t *testing.T, text string) (steps []step) {
	t.Helper()
	for _, block := range blocks.FindAllStringSubmatch(text, -1) {
		if block[1] == "hcl" {
			name, ok := strings.CutPrefix(strings.SplitN(block[2], "\n", 2)[0], "# ")
			if !ok {
				t.Fatalf("a file without a name:\n%s", block[2])
			}
			steps = append(steps, step{command: "cat > " + name + " <<'END'\n" + block[2] + "END"})
			continue
		}
		for line := range strings.Lines(block[2]) {
			line = strings.TrimSpace(line)
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: command})
			} else if len(steps) > 0 {
				steps[len(steps)-1].shown = append(steps[len(steps)-1].shown, line)
			}
		}
	}
	return steps
}

// freePorts returns ports that nobody has at the moment.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports
}

var (
	numbers = regexp.MustCompile(`[0-9]+`)
	spaces  = regexp.MustCompile(`\s+`)
)

// alike leaves of a line what doesn't change from day to day.
func alike(line string) string {
	return strings.TrimSpace(spaces.ReplaceAllString(numbers.ReplaceAllString(line, "0"), " "))
}

// TestServerGuide does what docs/server.md says, as one shell session with real processes: three servers over TLS, one
// killed, work that goes on. What the document shows of answers must be in them.
func TestServerGuide(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	document := string(text)
	for i, port := range freePorts(t, 3) {
		document = strings.ReplaceAll(document, fmt.Sprintf("844%d", i+1), port)
	}
	steps := session(t, document)
	if len(steps) < 20 {
		t.Fatalf("the document has %d steps only: the pattern is broken", len(steps))
	}
	dir := t.TempDir()
	t.Cleanup(func() { endServers(dir) })
	script := "set -euo pipefail\n"
	for i, s := range steps {
		script += fmt.Sprintf("echo '@@ %d'\n%s\n", i, s.command)
	}
	script += "wait\n"
	answers := strings.Split(shellScript(t, dir, script), "@@ ")
	for i, s := range steps {
		_, answer, _ := strings.Cut(answers[i+1], "\n")
		for _, line := range s.shown {
			if line != "" && !strings.Contains(alike(answer), alike(line)) {
				t.Errorf("$ %s\nshould show %q; it says:\n%s", s.command, line, answer)
			}
		}
	}
}

// shellScript runs a script in dir within two minutes. Its output comes back also when it fails.
func shellScript(t *testing.T, dir, script string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(t.Context(), "timeout", "120", "bash", "-c", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, file, file // a file: the servers would keep a pipe open
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(novaplan)+":"+os.Getenv("PATH"), "HOME="+dir, "NO_COLOR=1", "XDG_CACHE_HOME="+dir+"/.cache")
	cmd.WaitDelay = time.Minute
	failed := cmd.Run()
	out, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		for _, log := range logs {
			data, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", filepath.Base(log), data)
		}
		t.Fatalf("%v\n%s", failed, out)
	}
	return string(out)
}

// endServers ends what a session that failed left behind.
func endServers(dir string) {
	pids, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	for _, file := range pids {
		data, _ := os.ReadFile(file)
		// Only a server of this folder: the number may be another process's by now.
		script := `p=$(cat); [ "$(readlink /proc/$p/cwd)" = "$0" ] && kill -9 $p || true`
		cmd := exec.Command("bash", "-c", script, dir)
		cmd.Stdin = strings.NewReader(string(data))
		_ = cmd.Run()
	}
}
