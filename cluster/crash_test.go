package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// childEnv names the record's folder to a copy of the test program that proposes until it is killed.
const childEnv = "NOVAPLAN_TEST_CHILD"

// child proposes inventories, each one higher than the last in the record, and prints what was
// acknowledged.
func child(dir string) {
	ctx := context.Background()
	n, err := Open(ctx, dir, Options{Create: true})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	for i := n.State().Hosts.Len(); ; i++ {
		if _, err := n.Propose(ctx, inventory(i)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Fprintln(out, i)
		out.Flush()
	}
}

func TestKillNineLosesNothingAcknowledged(t *testing.T) {
	dir := newDir(t)
	rounds := 25
	if testing.Short() {
		rounds = 3
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	acknowledged := -1
	for round := range rounds {
		kill := killAfter{proposals: random.IntN(120)}
		if round%3 == 0 { // while it opens, bootstraps or has just begun
			kill.time = time.Duration(random.IntN(80)) * time.Millisecond
		}
		got, err := runChild(t, dir, kill)
		if err != nil {
			t.Fatalf("round %d, seed %d: %v", round, seed, err)
		}
		acknowledged = max(acknowledged, got)
		st, err := ReadOnly(t.Context(), dir)
		if errors.Is(err, ErrNoRecord) && acknowledged < 0 {
			continue
		}
		if err != nil {
			t.Fatalf("round %d, seed %d: %v", round, seed, err)
		}
		for i := range acknowledged + 1 {
			if _, ok := st.Hosts.Get(fmt.Sprintf("host.h%d", i)); !ok {
				t.Fatalf("round %d, seed %d: %s was acknowledged and is gone (%d of %d)", round, seed,
					spec.NewAddress("host", fmt.Sprintf("h%d", i)), st.Hosts.Len(), acknowledged+1)
			}
		}
	}
	if acknowledged < rounds {
		t.Errorf("only %d proposals in %d rounds: the test tests nothing", acknowledged, rounds)
	}
}

// killAfter says when a child dies: after so many proposals, or earlier after a time that is not zero.
type killAfter struct {
	proposals int
	time      time.Duration
}

// runChild runs a child until it is killed, and returns the last proposal that it acknowledged.
func runChild(t *testing.T, dir string, kill killAfter) (last int, err error) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if kill.time > 0 {
		timer := time.AfterFunc(kill.time, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	last = -1
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == kill.proposals {
			_ = cmd.Process.Kill()
		}
		i, convErr := strconv.Atoi(lines.Text())
		if convErr != nil {
			err = fmt.Errorf("child: %s", lines.Text())
			continue
		}
		last = i
	}
	_ = cmd.Wait()
	return last, err
}
