package labtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Dir is a folder as the hosts see it and as this machine does.
type Dir struct {
	Inside  string // path for libvirt, such as a pool's
	Outside string // path for this process
}

// Host is one libvirt host of a lab.
type Host struct {
	Name    string // kvm1, kvm2, ...; also its hostname
	URI     string // qemu+tcp://ADDRESS/system
	SSHName string // host to name to the stand-in for ssh; see UseSSH
	Socket  string // path of libvirtd's socket on this machine; works while the network is cut
	Address string // IPv4, the same network as the guests'
	Netns   string // network namespace, for ip netns exec
	UUID    string // libvirt's host_uuid
	Local   Dir    // storage of its own, at the same path on each host
	Logs    Dir    // QEMU's logs and the serial logs
}

// UnixURI returns the libvirt URI of the host's socket.
func (h Host) UnixURI() string { return "qemu+unix:///system?socket=" + h.Socket }

// SSHURI returns the host's URI over SSH, for tests that have called UseSSH.
func (h Host) SSHURI() string { return "qemu+ssh://root@" + h.SSHName + "/system" }

// Lab is a lab that is up, as seen by one test.
type Lab struct {
	Name    string
	Hosts   []Host
	Gateway string // this machine's address in the lab, IPv4
	Subnet  string // IPv4 prefix; .100 to .199 are free for guests
	Shared  Dir    // storage all hosts share

	t testing.TB
}

// ErrNoHost means that the lab has no host of that name.
var ErrNoHost = errors.New("no such host in the lab")

// names counts this process's labs, so that each gets a name of its own.
var names atomic.Int64

// Up brings up a lab of so many hosts (1 to 80) for this test and takes it down when the test ends. A process of
// the lab's own takes it down should the test be killed.
func Up(t testing.TB, hosts int) *Lab {
	t.Helper()
	name := newName()
	t.Cleanup(func() {
		if err := down(name); err != nil {
			t.Error(err)
		}
	})
	lab, err := up(t.Context(), name, hosts)
	if err != nil {
		t.Fatal(err)
	}
	lab.t = t
	return lab
}

func newName() string {
	return fmt.Sprintf("t%d-%d", os.Getpid(), names.Add(1))
}

func up(ctx context.Context, name string, hosts int) (*Lab, error) {
	out, err := script(ctx, "up", "-name", name, "-n", strconv.Itoa(hosts), "-owner", strconv.Itoa(os.Getpid()), "-json")
	if err != nil {
		return nil, err
	}
	return decode(out)
}

// down gets a context of its own: a test's context has ended by the time of its cleanup.
func down(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := script(ctx, "down", "-name", name)
	return err
}

// status is what `lab status -json` prints.
type status struct {
	Name    string `json:"name"`
	Subnet  string `json:"subnet"`
	Gateway string `json:"gateway"`
	Shared  Dir    `json:"shared"`
	Local   Dir    `json:"local"`
	Hosts   []struct {
		Name    string `json:"name"`
		URI     string `json:"uri"`
		Socket  string `json:"socket"`
		Address string `json:"address"`
		Netns   string `json:"netns"`
		UUID    string `json:"uuid"`
		Local   string `json:"local"`
		Log     string `json:"log"`
	} `json:"hosts"`
}

func decode(out string) (*Lab, error) {
	var s status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return nil, fmt.Errorf("lab status: %w in %q", err, out)
	}
	lab := &Lab{Name: s.Name, Gateway: s.Gateway, Subnet: s.Subnet, Shared: s.Shared}
	for _, h := range s.Hosts {
		lab.Hosts = append(lab.Hosts, Host{
			Name: h.Name, URI: h.URI, SSHName: h.Name + "." + s.Name, Socket: h.Socket, Address: h.Address, Netns: h.Netns, UUID: h.UUID,
			Local: Dir{Inside: s.Local.Inside, Outside: h.Local},
			Logs:  Dir{Inside: "/var/log/libvirt/qemu", Outside: filepath.Join(h.Log, "qemu")},
		})
	}
	return lab, nil
}

// Host returns the host of that name; the test ends when there is none.
func (l *Lab) Host(name string) Host {
	l.t.Helper()
	host, err := l.find(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return host
}

func (l *Lab) find(name string) (Host, error) {
	for _, h := range l.Hosts {
		if h.Name == name {
			return h, nil
		}
	}
	return Host{}, fmt.Errorf("host %q in lab %s: %w", name, l.Name, ErrNoHost)
}

// GuestImage returns the path on this machine of the guest image (qcow2, 24 MiB), building it if need be.
func (l *Lab) GuestImage() string {
	l.t.Helper()
	out, err := script(l.t.Context(), "guest")
	if err != nil {
		l.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// UseSSH makes programs started by this test find the lab's stand-in for ssh, which makes SSHURI work without a
// login. Not for parallel tests, as it sets PATH.
func (l *Lab) UseSSH() {
	l.t.Helper()
	path, err := scriptPath()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Setenv("PATH", filepath.Join(filepath.Dir(path), "ssh")+":"+os.Getenv("PATH"))
}

// Do runs a command of the lab script (see `lab help`) on this lab and returns what it printed. The error holds
// what it printed on standard error.
func (l *Lab) Do(ctx context.Context, command string, args ...string) (string, error) {
	return script(ctx, command, append([]string{"-name", l.Name}, args...)...)
}

func (l *Lab) do(command string, args ...string) {
	l.t.Helper()
	if _, err := l.Do(l.t.Context(), command, args...); err != nil {
		l.t.Fatal(err)
	}
}

func script(ctx context.Context, command string, args ...string) (string, error) {
	path, err := scriptPath()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, append([]string{command}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Should the script be killed, don't wait for what it had started.
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("lab %s %s: %w: %s", command, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// scriptPath finds the script from a package's folder, where go test runs tests.
func scriptPath() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "examples", "lab", "lab"), nil
		}
	}
	return "", errors.New("labtest: not below the module's folder")
}
