//go:build lab

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// binary is the program under test and where it was built.
type binary struct{ dir, path string }

var build = sync.OnceValues(func() (binary, error) {
	dir, err := os.MkdirTemp("", "novaplan-e2e-")
	if err != nil {
		return binary{}, err
	}
	b := binary{dir, filepath.Join(dir, "novaplan")}
	out, err := exec.Command("go", "build", "-o", b.path, "github.com/novaplan/novaplan/cmd/novaplan").CombinedOutput()
	if err != nil {
		return b, fmt.Errorf("build novaplan: %w: %s", err, out)
	}
	return b, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if b, _ := build(); b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
	os.Exit(code)
}

// command prepares novaplan with arguments, in the fleet's folder.
func (f *fleet) command(args ...string) *exec.Cmd {
	f.t.Helper()
	b, err := build()
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.CommandContext(within(f.t), b.path, args...)
	cmd.Dir = f.dir
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+f.config, "XDG_CACHE_HOME="+filepath.Join(b.dir, "cache"))
	return cmd
}

// result is how a command ended.
type result struct {
	t              *testing.T
	command        string
	stdout, stderr string
	code           int
}

// run runs novaplan to its end.
func (f *fleet) run(args ...string) result {
	f.t.Helper()
	return f.begin(args...).wait()
}

// ok fails the test unless the command succeeded.
func (r result) ok() result {
	r.t.Helper()
	return r.exits(0)
}

// exits fails the test unless the command ended with the exit code.
func (r result) exits(code int) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("%s: exit code %d, want %d\n%s%s", r.command, r.code, code, r.stdout, r.stderr)
	}
	return r
}

// says fails the test unless the command wrote each of the texts.
func (r result) says(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			r.t.Errorf("%s doesn't say %q:\n%s%s", r.command, text, r.stdout, r.stderr)
		}
	}
	return r
}

// process is a running novaplan.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *bufio.Reader
	lines  bytes.Buffer // of standard output, as far as they were read
	stderr messages
}

// messages is what a process wrote to standard error; others can wait for a text in it.
type messages struct {
	mu      sync.Mutex
	text    bytes.Buffer
	waiting map[string]chan struct{}
}

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.text.Write(p)
	m.tell()
	return n, err
}

func (m *messages) tell() {
	for text, heard := range m.waiting {
		if bytes.Contains(m.text.Bytes(), []byte(text)) {
			close(heard)
			delete(m.waiting, text)
		}
	}
}

func (m *messages) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// says waits until the process has written the text to standard error.
func (p *process) says(text string) {
	p.t.Helper()
	heard := make(chan struct{})
	p.stderr.mu.Lock()
	p.stderr.waiting = map[string]chan struct{}{text: heard}
	p.stderr.tell()
	p.stderr.mu.Unlock()
	select {
	case <-heard:
	case <-within(p.t).Done():
		p.t.Fatalf("%s never said %q:\n%s", p.cmd, text, p.stderr.String())
	}
}

// begin starts novaplan.
func (f *fleet) begin(args ...string) *process {
	f.t.Helper()
	p := &process{t: f.t, cmd: f.command(args...)}
	p.cmd.Stderr = &p.stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	p.stdin, p.out = stdin, bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return p
}

// line reads a line of standard output; false at its end.
func (p *process) line() (string, bool) {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	p.lines.WriteString(line)
	if err != nil && !errors.Is(err, io.EOF) {
		p.t.Fatalf("%s: %v", p.cmd, err)
	}
	return line, err == nil
}

// wait reads all that is still to come and returns how the command ended. A command killed by a signal has the
// exit code -1.
func (p *process) wait() result {
	p.t.Helper()
	for _, more := p.line(); more; {
		_, more = p.line()
	}
	if err := p.cmd.Wait(); err != nil && p.cmd.ProcessState == nil {
		p.t.Fatalf("%s: %v", p.cmd, err)
	}
	return result{
		t: p.t, command: "novaplan " + strings.Join(p.cmd.Args[1:], " "),
		stdout: p.lines.String(), stderr: p.stderr.String(), code: p.cmd.ProcessState.ExitCode(),
	}
}

// until reads the events of a command with -json until one is as wanted. It returns false when the command ends
// before.
func (p *process) until(wanted func(wire.Event) bool) bool {
	p.t.Helper()
	for {
		line, more := p.line()
		if !more {
			return false
		}
		var e wire.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatalf("%s: %v in %q", p.cmd, err, line)
		}
		if wanted(e) {
			return true
		}
	}
}

// signal sends the process a signal.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s: signal %d: %v", p.cmd, s, err)
	}
}

// step matches the beginning of a step of an operation on an instance, "" for any.
func step(instance, name string) func(wire.Event) bool {
	return func(e wire.Event) bool {
		return e.Type == wire.EventProgress && e.Step == name && (instance == "" || e.Operation.Instance == instance)
	}
}
