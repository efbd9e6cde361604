package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSSHArguments(t *testing.T) {
	e := Endpoint{Host: "kvm1", User: "root", Port: "2222", Remote: "qemu:///system"}
	want := "-T -e none -o BatchMode=yes -o ConnectTimeout=10 -p 2222 -l root -- kvm1 virt-ssh-helper qemu:///system"
	if diff := cmp.Diff(want, strings.Join(sshArguments(e), " ")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// fakeSSH puts a script in place of ssh.
func fakeSSH(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestSSHFailuresSayWhatToDo(t *testing.T) {
	cases := map[string]struct{ script, want string }{
		"host key":   {"echo 'Host key verification failed.' >&2; exit 255", "accept it once with: ssh root@kvm1"},
		"changed":    {"echo '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @' >&2; exit 255", "ssh-keygen -R kvm1"},
		"no key":     {"echo 'root@kvm1: Permission denied (publickey).' >&2; exit 255", "ssh-copy-id root@kvm1"},
		"no helper":  {"echo 'bash: line 1: virt-ssh-helper: command not found' >&2; exit 127", "apt install libvirt-daemon"},
		"refused":    {"echo 'ssh: connect to host kvm1 port 22: Connection refused' >&2; exit 255", "no ssh server listens there"},
		"no name":    {"echo 'ssh: Could not resolve hostname kvm1: Name or service not known' >&2; exit 255", "can't be resolved"},
		"no libvirt": {"echo \"virt-ssh-helper: cannot connect to '/run/libvirt/libvirt-sock': Failed to connect socket to '/run/libvirt/libvirt-sock'\" >&2; exit 1", "libvirtd doesn't answer"},
		"other":      {"echo one >&2; echo 'something odd' >&2; exit 3", "ssh root@kvm1: something odd"},
		"mute":       {"exit 3", "exit status 3"},
		"success":    {"exit 0", "connection closed"},
		"banner":     {"echo 'Welcome to kvm1!'; exec sleep 5", "not libvirtd"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fakeSSH(t, c.script)
			_, err := openSession(t.Context(), Endpoint{Transport: TransportSSH, Host: "kvm1", User: "root", Remote: "qemu:///system"}, Options{}.withDefaults())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestProcessConnCarriesBytesBothWays(t *testing.T) {
	conn, err := startProcess(exec.Command("cat"), func(stderr string, err error) error { return io.EOF })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	<-conn.exited // cat ends when its input does
}

func TestSSHThatHangsIsGivenUp(t *testing.T) {
	fakeSSH(t, "exec sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	opts := Options{Dial: func(ctx context.Context, e Endpoint) (net.Conn, error) {
		defer cancel() // as if the caller's patience ended as soon as ssh runs
		return dialSSH(ctx, e)
	}}
	_, err := openSession(ctx, Endpoint{Transport: TransportSSH, Host: "kvm1", Remote: "qemu:///system"}, opts.withDefaults())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var kept tail
	for i := range 2000 {
		fmt.Fprintf(&kept, "line %d\n", i)
	}
	if got := kept.String(); len(got) != tailSize || !strings.HasSuffix(got, "line 1999\n") {
		t.Errorf("kept %d bytes that end in %q", len(got), got[len(got)-20:])
	}
}

func TestUnixFailuresSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "is it installed and started?",
		stale:                      "left over",
	} {
		_, err := dial(t.Context(), Endpoint{Transport: TransportUnix, Socket: path})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", path, err, want)
		}
	}
}

func TestTCPFailuresSayWhatToDo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	ended, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	tests := map[string]struct {
		ctx  context.Context
		host string
		want string
	}{
		"refused":  {t.Context(), "127.0.0.1", "nothing listens on 127.0.0.1:" + port + ": start libvirtd-tcp.socket"},
		"no name":  {t.Context(), "kvm1.invalid", "the name kvm1.invalid can't be resolved"},
		"no route": {t.Context(), "255.255.255.255", "is the host up, and on this network?"},
		"silent":   {ended, "127.0.0.1", "127.0.0.1:" + port + " is silent"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := dial(test.ctx, Endpoint{Transport: TransportTCP, Host: test.host, Port: port})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want one with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "dial tcp") {
				t.Errorf("%v is for programmers", err)
			}
		})
	}
}

func TestMissingSSHSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := dialSSH(t.Context(), Endpoint{Transport: TransportSSH, Host: "kvm1"})
	if err == nil || !strings.Contains(err.Error(), "apt install openssh-client") {
		t.Errorf("got %v", err)
	}
}
