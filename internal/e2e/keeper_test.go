//go:build lab

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/api/client"
	"github.com/novaplan/novaplan/cluster/api/wire"
)

// kept is a fleet that a server keeps.
type kept struct {
	*fleet
	api *client.Client
	log *bytes.Buffer // of the server; read it when it has ended
}

// serve starts a server for the fleet, alone and on loopback. The fleet's commands use it from now on.
func serve(f *fleet) *kept {
	f.t.Helper()
	b, err := build()
	if err != nil {
		f.t.Fatal(err)
	}
	k := &kept{fleet: f, log: new(bytes.Buffer)}
	data := filepath.Join(f.t.TempDir(), "data")
	config := filepath.Join(f.t.TempDir(), "server.hcl")
	text := fmt.Sprintf("data_dir = %q\naddress = \"127.0.0.1:0\"\nfleet = \"e2e\"\n", data)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	server := exec.Command(b.path, "server", "-config", config)
	server.Env = append(os.Environ(), "XDG_CONFIG_HOME="+f.config, "XDG_CACHE_HOME="+filepath.Join(b.dir, "cache"))
	server.Stderr = k.log
	if err := server.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
		if f.t.Failed() || os.Getenv("NOVAPLAN_TEST_LOG") != "" {
			f.t.Logf("the server's log:\n%s", k.log)
		}
	})
	socket := filepath.Join(data, "sock")
	f.t.Setenv("NOVAPLAN_ADDR", socket)
	if k.api, err = (client.Remote{Addresses: []string{socket}}).Open(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(k.api.Close)
	k.until("the server leads", func() bool {
		h, err := k.api.History(f.t.Context(), 1)
		return err == nil && h != nil
	})
	return k
}

// until waits for something that a server does by itself.
func (k *kept) until(what string, so func() bool) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-ctx.Done():
			k.t.Fatalf("not so after %v: %s\nhistory:\n%s", patience, what, strings.Join(k.history(), "\n"))
		}
	}
}

// history is what the record says of drift.
func (k *kept) history() []string {
	h, err := k.api.History(context.WithoutCancel(k.t.Context()), 200)
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	for _, e := range h.Events {
		if e.Kind == "drift" || e.Kind == "instance" {
			all = append(all, e.Address+" "+e.Message)
		}
	}
	return all
}

func (k *kept) told(address, text string) bool {
	return slices.ContainsFunc(k.history(), func(line string) bool {
		return strings.HasPrefix(line, address+" ") && strings.Contains(line, text)
	})
}

func (k *kept) policies(drift map[string]string) {
	k.t.Helper()
	if err := k.api.SetSettings(k.t.Context(), wire.Settings{AutoApply: "all", CapPercent: 100, Drift: drift}); err != nil {
		k.t.Fatal(err)
	}
}

// virsh asks about an instance's domain.
func (k *kept) virsh(in wire.Instance, args ...string) string {
	k.t.Helper()
	return strings.TrimSpace(k.lab.Virsh(in.HostName, append(args[:1:1], append([]string{in.Domain}, args[1:]...)...)...))
}

func (k *kept) runs(in wire.Instance) func() bool {
	return func() bool {
		out, err := k.lab.TryVirsh(in.HostName, "domstate", in.Domain)
		return err == nil && strings.TrimSpace(out) == "running"
	}
}

// definition writes the XML that a domain is defined with to a file, edited.
func (k *kept) definition(in wire.Instance, edit func(string) string) string {
	k.t.Helper()
	file := filepath.Join(k.t.TempDir(), in.Domain+".xml")
	if err := os.WriteFile(file, []byte(edit(k.virsh(in, "dumpxml", "--inactive"))), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return file
}

var memory = regexp.MustCompile(`<(memory|currentMemory) unit='KiB'>\d+<`)

// TestServerKeepsFleet does by hand, on real hosts, all that people do to domains behind a controller's back. No
// command is run: the server notices, mends what it may, and tells of the rest.
func TestServerKeepsFleet(t *testing.T) {
	f := newFleet(t, pair)
	k := serve(f)
	k.apply()
	shared, local := k.instance(onShared), k.instance(onLocal)

	t.Run("stopped", func(t *testing.T) {
		k := k.sub(t)
		begun := time.Now()
		k.virsh(shared, "destroy")
		k.until("it is started again", k.runs(shared))
		t.Logf("started again after %v", time.Since(begun).Round(time.Millisecond))
		k.until("the history says so", func() bool { return k.told(onShared, "stopped:") && k.told(onShared, "start: it was found stopped") })
	})
	t.Run("redefined", func(t *testing.T) {
		k := k.sub(t)
		k.lab.Virsh(local.HostName, "define", k.definition(local, func(xml string) string {
			return memory.ReplaceAllString(xml, "<$1 unit='KiB'>65536<")
		}))
		k.until("the history says so", func() bool { return k.told(onLocal, "redefined: memory 64 MiB, recorded 128 MiB") })
		if !strings.Contains(k.virsh(local, "dumpxml", "--inactive"), "65536") {
			t.Error("it was mended, though the policy is to report")
		}
		k.policies(map[string]string{"redefined": "mend"})
		k.until("it is defined as recorded", func() bool {
			return strings.Contains(k.virsh(local, "dumpxml", "--inactive"), "<memory unit='KiB'>131072<")
		})
		k.virsh(local, "undefine") // while it runs: it would be gone with its next stop
		k.until("it is defined again", func() bool { return strings.Contains(k.virsh(local, "dominfo"), "Persistent:     yes") })
	})
	t.Run("undefined", func(t *testing.T) {
		k := k.sub(t)
		k.policies(nil)
		k.virsh(local, "undefine")
		k.virsh(local, "destroy")
		k.until("the history says so", func() bool { return k.told(onLocal, "missing: its domain is gone") })
		if _, err := k.lab.TryVirsh(local.HostName, "domstate", local.Domain); err == nil {
			t.Error("it is back, though the policy is to report")
		}
		k.policies(map[string]string{"missing": "mend"})
		k.until("it is defined and started again", k.runs(local))
	})
	t.Run("renamed", func(t *testing.T) {
		k := k.sub(t)
		k.policies(map[string]string{"stopped": "report"})
		k.virsh(local, "destroy")
		k.virsh(local, "domrename", "by-hand")
		k.until("the record takes the name", func() bool { return k.instance(onLocal).Domain == "by-hand" })
		local.Domain = "by-hand"
		k.policies(nil)
		k.until("it is started", k.runs(local))
	})
	t.Run("network gone", func(t *testing.T) {
		k := k.sub(t)
		for _, line := range [][]string{{"ip", "link", "set", "br0", "name", "br9"}} {
			if _, err := k.lab.Do(t.Context(), "exec", append([]string{shared.HostName}, line...)...); err != nil {
				t.Fatal(err)
			}
		}
		host := k.hostOf(shared)
		k.until("the history says so", func() bool { return k.told(host, "network: bridge br0 is gone") })
		if _, err := k.lab.Do(t.Context(), "exec", shared.HostName, "ip", "link", "set", "br9", "name", "br0"); err != nil {
			t.Fatal(err)
		}
		k.until("the history says that it is back", func() bool { return k.told(host, "network: no longer so") })
	})
	t.Run("host away and back", func(t *testing.T) {
		k := k.sub(t)
		host := k.hostOf(local)
		k.lab.Cut(local.HostName)
		k.until("the history says so", func() bool { return k.told(host, "host: it doesn't answer") })
		k.lab.Join(local.HostName)
		k.until("the history says that it is back", func() bool { return k.told(host, "host: no longer so") })
	})
	t.Run("disk removed", func(t *testing.T) {
		k := k.sub(t)
		in := k.instance(onLocal)
		i := slices.IndexFunc(filesIn(k.fleet, in.HostName, k.lab.Host(in.HostName).Local.Outside), func(name string) bool {
			return strings.Contains(name, in.UUID+"-root")
		})
		name := strings.Fields(filesIn(k.fleet, in.HostName, k.lab.Host(in.HostName).Local.Outside)[i])[1]
		if err := os.Remove(filepath.Join(k.lab.Host(in.HostName).Local.Outside, name)); err != nil {
			t.Fatal(err)
		}
		k.until("the history says so", func() bool { return k.told(onLocal, "disk: the file of its root disk is gone") })
		if !k.runs(in)() {
			t.Error("the guest, which still has its disk open, was stopped")
		}
	})
	t.Run("started elsewhere", func(t *testing.T) {
		k := k.sub(t)
		in := k.instance(onShared)
		k.policies(map[string]string{"stopped": "ignore", "missing": "ignore", "elsewhere": "ignore"})
		file := k.definition(in, func(xml string) string { return xml })
		k.virsh(in, "destroy")
		k.virsh(in, "undefine")
		other := ""
		for _, h := range k.lab.Hosts {
			if h.Name != in.HostName && h.Name != local.HostName {
				other = h.Name
			}
		}
		k.lab.Virsh(other, "define", file)
		k.lab.Virsh(other, "start", in.Domain)
		k.until("it is frozen", func() bool { return k.told(onShared, "frozen: it is on "+other) })
		if now := k.instance(onShared); now.State != "frozen" {
			t.Errorf("it is %s: %s", now.State, now.Note)
		}
	})
}

// sub returns the fleet for a subtest.
func (k *kept) sub(t *testing.T) *kept {
	s := *k
	s.fleet = k.in(t)
	return &s
}

// hostOf returns the address of an instance's host.
func (k *kept) hostOf(in wire.Instance) string {
	k.t.Helper()
	if in.Host == "" {
		k.t.Fatal(errors.New(in.Address + " is nowhere"))
	}
	return in.Host
}
