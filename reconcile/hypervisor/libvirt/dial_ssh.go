package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sshArguments are what the user's own ssh is called with. Its configuration, agents and jump hosts
// count; it must never ask anything, since nobody may be there to answer.
func sshArguments(e Endpoint) []string {
	args := []string{"-T", "-e", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"}
	if e.Port != "" {
		args = append(args, "-p", e.Port)
	}
	if e.User != "" {
		args = append(args, "-l", e.User)
	}
	return append(args, "--", e.Host, "virt-ssh-helper", e.Remote)
}

// dialSSH runs ssh and makes its input and output the connection. It returns before the login is
// through; what goes wrong there comes out of the first Read.
func dialSSH(_ context.Context, e Endpoint) (net.Conn, error) {
	conn, err := startProcess(exec.Command("ssh", sshArguments(e)...), func(stderr string, err error) error {
		return explainSSH(e, stderr, err)
	})
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("ssh is not installed on this machine: apt install openssh-client")
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// processConn is a process whose standard input and output are the two directions of a connection.
type processConn struct {
	in      *os.File // to the process
	out     *os.File // from it
	process *exec.Cmd
	stderr  tail
	explain func(stderr string, err error) error

	exited  chan struct{}
	exitErr error // valid once exited is closed
	once    sync.Once
}

func startProcess(cmd *exec.Cmd, explain func(string, error) error) (*processConn, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		childIn.Close()
		in.Close()
		return nil, err
	}
	c := &processConn{in: in, out: out, process: cmd, explain: explain, exited: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = childIn, childOut, &c.stderr
	// A grandchild (a ControlMaster that stays) may keep stderr open; don't wait for it.
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	childIn.Close()
	childOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	go func() {
		c.exitErr = cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

// Read ends with the process's own explanation when it ends.
func (c *processConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if errors.Is(err, io.EOF) {
		<-c.exited
		err = c.explain(c.stderr.String(), c.exitErr)
	}
	return n, err
}

// Write fails with the process's explanation when the process ended before it read anything.
func (c *processConn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		select {
		case <-c.exited:
			err = c.explain(c.stderr.String(), c.exitErr)
		case <-time.After(2 * time.Second):
		}
	}
	return n, err
}

// Close ends the process: politely at once, for this process may end next and an ssh that still waits for
// its host would stay; by force if it doesn't go.
func (c *processConn) Close() error {
	c.once.Do(func() {
		c.in.Close()
		c.out.Close()
		_ = c.process.Process.Signal(syscall.SIGTERM) // it may be gone
		go func() {
			select {
			case <-c.exited:
			case <-time.After(2 * time.Second):
				c.process.Process.Kill()
			}
		}()
	})
	return nil
}

func (c *processConn) LocalAddr() net.Addr  { return processAddr{} }
func (c *processConn) RemoteAddr() net.Addr { return processAddr{} }

func (c *processConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
func (c *processConn) SetReadDeadline(t time.Time) error  { return c.out.SetReadDeadline(t) }
func (c *processConn) SetWriteDeadline(t time.Time) error { return c.in.SetWriteDeadline(t) }

type processAddr struct{}

func (processAddr) Network() string { return "process" }
func (processAddr) String() string  { return "ssh" }

// explainSSH turns what ssh left behind into what the user can do about it.
func explainSSH(e Endpoint, stderr string, err error) error {
	login := e.Host
	if e.User != "" {
		login = e.User + "@" + e.Host
	}
	says := func(words string) bool { return strings.Contains(stderr, words) }
	var advice string
	switch {
	case says("REMOTE HOST IDENTIFICATION HAS CHANGED"):
		advice = "the host key has changed; if that is right, run: ssh-keygen -R " + e.Host
	case says("Host key verification failed"):
		advice = "the host key is not known; check and accept it once with: ssh " + login
	case says("Permission denied"):
		advice = "no key of yours is accepted; install one with: ssh-copy-id " + login
	case says("virt-ssh-helper") && says("not found"), exitCode(err) == 127:
		advice = "virt-ssh-helper is missing; on the host: apt install libvirt-daemon"
	case says("Could not resolve hostname"):
		advice = "the name can't be resolved; check it, or give it in ~/.ssh/config"
	case says("Failed to connect socket"), says("Failed to connect to"):
		advice = "the login works, but libvirtd doesn't answer there or doesn't let this user in (group libvirt)"
	case says("Connection refused"):
		advice = "no ssh server listens there; check the name and port, or ~/.ssh/config"
	case says("No route to host"), says("Network is unreachable"):
		advice = "no way there: is the host up, and on this network?"
	case says("timed out"):
		advice = "no answer: is the host up, and does a firewall let us in?"
	}
	last := lastLine(stderr)
	switch {
	case advice != "" && last != "":
		return fmt.Errorf("ssh %s: %s (%s)", login, advice, last)
	case last != "":
		return fmt.Errorf("ssh %s: %s", login, last)
	case err != nil:
		return fmt.Errorf("ssh %s: %w", login, err)
	}
	return fmt.Errorf("ssh %s: connection closed: %w", login, io.EOF)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// tail keeps the last few KiB that are written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if extra := len(t.data) - tailSize; extra > 0 {
		t.data = append([]byte(nil), t.data[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}
