//go:build lab

package labtest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for a guest; it ends a test that hangs and asserts nothing.
const patience = 2 * time.Minute

var shared = Shared{Hosts: 3}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

func TestHostsAreApart(t *testing.T) {
	lab := shared.Get(t)
	uuids := map[string]bool{}
	for _, host := range lab.Hosts {
		if got := strings.TrimSpace(lab.Virsh(host.Name, "hostname")); got != host.Name {
			t.Errorf("%s calls itself %q", host.Name, got)
		}
		uuids[regexp.MustCompile(`<uuid>(.*)</uuid>`).FindString(lab.Virsh(host.Name, "capabilities"))] = true
		dial(t, host.Address+":16509")
	}
	if len(uuids) != 3 {
		t.Errorf("hosts share a uuid: %v", uuids)
	}
	if out := inside(t, lab, "kvm1", "ls", "/dev"); strings.Contains(out, "kvm") {
		t.Errorf("kvm1 has /dev/kvm: %q", out)
	}
}

// What one test broke is whole for the next.
func TestSharedLabIsMended(t *testing.T) {
	lab := shared.Get(t)
	lab.KillHost("kvm1")
	lab.PauseLibvirtd("kvm2")
	lab.Cut("kvm2")
	lab.StopLibvirtd("kvm3")
	again := shared.Get(t)
	if again.Name != lab.Name {
		t.Errorf("another lab: %s, was %s", again.Name, lab.Name)
	}
	for _, host := range again.Hosts {
		if got := state(t, again, host.Name); got != "up" {
			t.Errorf("%s is %s", host.Name, got)
		}
		dial(t, host.Address+":16509")
	}
}

func TestStorageIsSharedAndLocal(t *testing.T) {
	lab := shared.Get(t)
	for path, want := range map[string]string{
		filepath.Join(lab.Shared.Outside, "all"):              "all",
		filepath.Join(lab.Host("kvm1").Local.Outside, "mine"): "one",
		filepath.Join(lab.Host("kvm2").Local.Outside, "mine"): "two",
	} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for host, want := range map[string]string{"kvm1": "allone", "kvm2": "alltwo"} {
		got := inside(t, lab, host, "cat", filepath.Join(lab.Shared.Inside, "all"), filepath.Join(lab.Host(host).Local.Inside, "mine"))
		if got != want {
			t.Errorf("%s reads %q, want %q", host, got, want)
		}
	}
}

// The stand-in for ssh takes options and words apart as ssh does, and libvirt is reached through it.
func TestSSHStandIn(t *testing.T) {
	lab := shared.Get(t)
	lab.UseSSH()
	out, err := exec.CommandContext(t.Context(), "ssh", "-T", "-o", "BatchMode=yes", "-l", "root", "--", lab.Host("kvm2").SSHName, "echo", "$(hostname)", "'a  b'").Output()
	if err != nil || string(out) != "kvm2 a  b\n" {
		t.Errorf("got %q, %v", out, err)
	}
	out, err = exec.CommandContext(t.Context(), "virsh", "-q", "-c", lab.Host("kvm2").SSHURI(), "hostname").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "kvm2" {
		t.Errorf("got %q, %v", out, err)
	}
}

// Two labs at once, one of them going down, don't touch each other.
func TestLabsAreApart(t *testing.T) {
	lab := Up(t, 1)
	t.Run("second", func(t *testing.T) {
		other := Up(t, 1)
		if lab.Subnet == other.Subnet || lab.Name == other.Name {
			t.Errorf("labs share a subnet or name: %+v %+v", lab, other)
		}
	})
	if got := strings.TrimSpace(lab.Virsh("kvm1", "hostname")); got != "kvm1" {
		t.Errorf("kvm1 answers %q", got)
	}
}

func TestLibvirtdStopsHangsAndComesBack(t *testing.T) {
	lab := Up(t, 1)
	lab.Boot("kvm1", Guest{Name: "goes-on"})
	qemu := qemuPIDs(t, lab)

	lab.CrashLibvirtd("kvm1")
	if _, err := lab.TryVirsh("kvm1", "hostname"); err == nil {
		t.Error("a killed libvirtd answers")
	}
	lab.StartLibvirtd("kvm1")

	lab.PauseLibvirtd("kvm1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := lab.Do(ctx, "virsh", "kvm1", "hostname"); err == nil {
		t.Error("a paused libvirtd answers")
	}
	lab.ResumeLibvirtd("kvm1")

	if state := strings.TrimSpace(lab.Virsh("kvm1", "domstate", "goes-on")); state != "running" {
		t.Errorf("the guest is %s", state)
	}
	if again := qemuPIDs(t, lab); again != qemu {
		t.Errorf("another QEMU runs: %s, was %s", again, qemu)
	}
}

// A dead host takes its guests with it and forgets that they ran.
func TestKillHost(t *testing.T) {
	lab := Up(t, 2)
	lab.Boot("kvm1", Guest{Name: "lost"})
	lab.KillHost("kvm1")
	if pids := qemuPIDs(t, lab); pids != "" {
		t.Errorf("QEMU outlives its host: %s", pids)
	}
	if state(t, lab, "kvm1") != "dead" || state(t, lab, "kvm2") != "up" {
		t.Error("status tells another story")
	}
	lab.StartLibvirtd("kvm1")
	if state := strings.TrimSpace(lab.Virsh("kvm1", "domstate", "lost")); state != "shut off" {
		t.Errorf("after the host's boot the guest is %s", state)
	}
}

func TestCutAndMend(t *testing.T) {
	lab := Up(t, 1)
	lab.Cut("kvm1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", lab.Host("kvm1").Address+":16509")
	if err == nil {
		conn.Close()
		t.Error("a host that is cut off takes a connection")
	}
	lab.Virsh("kvm1", "hostname") // the socket needs no network
	lab.PauseLibvirtd("kvm1")
	lab.Mend()
	dial(t, lab.Host("kvm1").Address+":16509")
}

// The owner dies by SIGKILL, with a guest running and libvirtd gone: nothing is left.
func TestLabDiesWithItsOwner(t *testing.T) {
	owner := exec.Command("sleep", "600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	lab := Up(t, 1)
	lab.Boot("kvm1", Guest{Name: "orphan"})
	lab.CrashLibvirtd("kvm1")
	lab.do("up", "-owner", strconv.Itoa(owner.Process.Pid))
	lab.CrashLibvirtd("kvm1")
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	waitUntil(t, func() bool {
		_, err := os.Stat("/run/netns/" + lab.Hosts[0].Netns)
		return os.IsNotExist(err)
	})
	if pids := qemuPIDs(t, lab); pids != "" {
		t.Errorf("QEMU is left: %s", pids)
	}
}

// The guest keeps its disk over a restart, and answers the power button.
func TestGuestRestartsAndShutsDown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lab := Up(t, 1)
	serial := lab.Boot("kvm1", Guest{Name: "web", Number: 100, Command: "echo from user-data: $((6 * 7))"})
	first := waitLine(ctx, t, serial, `data: boots=1 marker=(\S+)`)
	waitLine(ctx, t, serial, `^from user-data: 42$`)
	if tick := waitTick(ctx, t, serial); tick.Name != "web" || tick.Boots != 1 {
		t.Errorf("got %+v", tick)
	}
	lab.Type("kvm1", "web", "echo typed $((7 * 6))")
	waitLine(ctx, t, serial, `^typed 42$`)

	lab.Virsh("kvm1", "reset", "web")
	second := waitLine(ctx, t, serial, `data: boots=2 marker=(\S+)`)
	if first != second {
		t.Errorf("another disk: marker %s, was %s", second, first)
	}
	waitTick(ctx, t, serial)

	lab.Virsh("kvm1", "shutdown", "web")
	waitLine(ctx, t, serial, `power button`)
	waitUntil(t, func() bool { return strings.TrimSpace(lab.Virsh("kvm1", "domstate", "web")) == "shut off" })
}

// A live migration interrupts neither the count nor the address.
func TestGuestMovesAlive(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lab := Up(t, 2)
	guest := Guest{Name: "mover", Number: 100, Shared: true}
	neighbour := Guest{Name: "neighbour", Number: 101, Shared: true}
	here := lab.Boot("kvm1", guest)
	there := lab.Boot("kvm2", neighbour)
	before := waitTick(ctx, t, here)
	waitTick(ctx, t, there)

	lab.Virsh("kvm1", "migrate", "mover", lab.Host("kvm2").URI, "--live", "--p2p", "--persistent", "--undefinesource", "--unsafe")
	after := waitTick(ctx, t, lab.Serial("kvm2", "mover"))
	if after.Boots != before.Boots || after.Count <= before.Count || after.Uptime < before.Uptime {
		t.Errorf("the guest began anew: %+v, was %+v", after, before)
	}
	lab.Type("kvm2", "neighbour", "ping -c 1 "+lab.GuestAddress(guest))
	waitLine(ctx, t, there, `1 packets received`)
}

func dial(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// inside runs a command in a host and returns what it prints.
func inside(t *testing.T, lab *Lab, host string, args ...string) string {
	t.Helper()
	out, err := lab.Do(t.Context(), "exec", append([]string{host}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// state is what `lab status` says of a host.
func state(t *testing.T, lab *Lab, host string) string {
	t.Helper()
	out, err := lab.Do(t.Context(), "status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); fields[0] == host {
			return fields[1]
		}
	}
	t.Fatalf("status doesn't know %s: %s", host, out)
	return ""
}

// qemuPIDs lists the QEMU processes whose command line names this lab's host kvm1 or runs in its namespace.
func qemuPIDs(t *testing.T, lab *Lab) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", "netns", "pids", lab.Hosts[0].Netns).Output()
	if err != nil {
		return "" // the namespace is gone, and so is all that ran in it
	}
	var found []string
	for _, pid := range strings.Fields(string(out)) {
		if exe, err := os.Readlink("/proc/" + pid + "/exe"); err == nil && strings.Contains(exe, "qemu-system") {
			found = append(found, pid)
		}
	}
	return strings.Join(found, " ")
}

// waitLine returns what the pattern's group matched, or the whole line.
func waitLine(ctx context.Context, t *testing.T, serial *Serial, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	line, err := serial.WaitLine(ctx, re)
	if err != nil {
		t.Fatal(err)
	}
	match := re.FindStringSubmatch(line)
	return match[len(match)-1]
}

func waitTick(ctx context.Context, t *testing.T, serial *Serial) Tick {
	t.Helper()
	tick, err := serial.WaitTick(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return tick
}

func waitUntil(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("waited in vain")
		case <-ticker.C:
		}
	}
}
