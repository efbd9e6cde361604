package reconcile_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/spec"
)

// TestChaos changes its mind, kills the controller, loses answers, cuts and hangs hosts, all at random;
// then everything heals, and the fleet must come to what is wanted. NOVAPLAN_CHAOS is how many seeds
// are tried.
func TestChaos(t *testing.T) {
	seeds := 40
	if n, err := strconv.Atoi(os.Getenv("NOVAPLAN_CHAOS")); err == nil {
		seeds = n
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { chaos(t, uint64(seed)) })
		})
	}
}

func chaos(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 7))
	l := newLab(t, 4, seed%2 == 0)
	l.lateCreates = true
	l.world = sim.New(sim.Options{
		Latency: 2 * time.Millisecond, Start: 300 * time.Millisecond, Boot: 5 * time.Second, Shutdown: 3 * time.Second,
		MigrationSpeed: 512 << 20, UploadSpeed: 330 << 20, GuestWrites: 64 << 20, Seed: seed,
	})
	l.begin()
	for range 6 {
		l.disturb(random)
		l.changeMind(random)
		l.tryToApply(time.Duration(random.IntN(60_000)) * time.Millisecond)
		l.healSome(random)
		if random.IntN(2) == 0 {
			l.kill()
			l.begin()
		}
		l.unviolated()
	}
	defer l.kill()
	l.heal()
	for range 6 {
		l.tryToApply(time.Hour)
		time.Sleep(time.Minute)
		if err := l.c.Housekeeping(t.Context()); err != nil {
			t.Logf("housekeeping: %v", err)
		}
	}
	l.matches()
	l.keptDisks()
	for a, in := range l.rec.State().Instances.All() {
		if in.Phase != state.Active {
			t.Errorf("%s is %s: %s", a, in.Phase, in.Why)
		}
	}
	if t.Failed() {
		t.Logf("seed %d\n%s\n%s", seed, strings.Join(l.faults, "\n"), l.dump())
	}
}

// disturb puts a few faults in force.
func (l *lab) disturb(random *rand.Rand) {
	methods := []string{
		"DefineDomain", "StartDomain", "DestroyDomain", "ShutdownDomain", "UndefineDomain", "GetDomain", "CreateVolume", "UploadVolume",
		"DownloadVolume", "DeleteVolume", "GetVolume", "Migrate", "SetClaim", "GetClaim", "SaveDomain", "ResumeDomain", "*",
	}
	kinds := []sim.FaultKind{sim.Fail, sim.Drop, sim.Lose, sim.Late, sim.Delay}
	for range random.IntN(4) {
		kind, method := kinds[random.IntN(len(kinds))], methods[random.IntN(len(methods))]
		if kind == sim.Delay && (method == "DeleteVolume" || method == "CreateVolume" || method == "*") {
			kind = sim.Late // that is what a delay is to a caller that leaves
		}
		f := sim.Fault{
			Kind: kind, Method: method,
			Host:  fmt.Sprintf("kvm%d", 1+random.IntN(4)),
			After: time.Duration(random.IntN(90)) * time.Second, Times: 1 + random.IntN(3),
		}
		l.faults = append(l.faults, fmt.Sprintf("%s %+v", time.Now().Format("04:05"), f))
		l.world.Inject(f)
	}
	if random.IntN(3) == 0 {
		conditions := []sim.Condition{sim.Cut, sim.Hung, sim.Down}
		name, condition := fmt.Sprintf("kvm%d", 1+random.IntN(4)), conditions[random.IntN(len(conditions))]
		l.faults = append(l.faults, fmt.Sprintf("%s %s is %v", time.Now().Format("04:05"), name, condition))
		l.world.SetCondition(name, condition)
	}
	if random.IntN(3) == 0 {
		kind := []sim.FaultKind{sim.Stick, sim.Break}[random.IntN(2)]
		l.world.Inject(sim.Fault{Kind: kind, Host: "*", Method: "Migrate", Times: 1})
	}
}

// changeMind wants something else.
func (l *lab) changeMind(random *rand.Rand) {
	switch random.IntN(4) {
	case 0:
		l.want(random.IntN(8))
	case 1, 2:
		for i := range l.spec.Hosts {
			l.spec.Hosts[i].Mode = spec.ModeActive
		}
		l.mode(1+random.IntN(4), spec.ModeDrain)
	case 3:
		l.power([]spec.Power{spec.Running, spec.Stopped, spec.Paused}[random.IntN(3)])
	}
}

// tryToApply plans and approves, whatever the plan says, and waits for a while.
func (l *lab) tryToApply(d time.Duration) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), d)
	defer cancel()
	for range 10 {
		wanted := l.snapshot()
		plan, _, err := l.c.Plan(ctx, &wanted, planner.Options{AllowPartial: true})
		if err != nil {
			return
		}
		approved, err := l.c.Approve(ctx, planner.Approval{
			Spec: &wanted, Options: planner.Options{AllowPartial: true}, Base: plan.Base, Digest: plan.Digest, Request: fmt.Sprintf("chaos-%d", l.rec.State().Index),
		})
		if err != nil {
			return
		}
		if !approved.Stale {
			_ = l.c.Settle(ctx, approved.Operations)
			return
		}
	}
}

func (l *lab) healSome(random *rand.Rand) {
	if random.IntN(2) == 0 {
		l.world.SetCondition(fmt.Sprintf("kvm%d", 1+random.IntN(4)), sim.Up)
	}
}

func (l *lab) heal() {
	l.world.ClearFaults("*")
	for i := range l.spec.Hosts {
		l.world.SetCondition(l.spec.Hosts[i].Name, sim.Up)
		l.spec.Hosts[i].Mode = spec.ModeActive
	}
	l.power(spec.Running)
}

// unviolated fails as soon as something happened that must never happen.
func (l *lab) unviolated() {
	l.t.Helper()
	for _, v := range l.world.Truth().Violations {
		l.t.Fatalf("violation: %+v\n%s", v, l.dump())
	}
}
