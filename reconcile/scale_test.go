package reconcile_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
)

// TestManyHosts carries out a fleet's worth of creates: each must be done once.
func TestManyHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 100, true)
		l.begin()
		defer l.kill()
		l.want(1000)
		l.apply()
		if l.total() != 1000 {
			t.Errorf("%d guests run", l.total())
		}
		for _, op := range l.rec.State().Operations.All() {
			if op.Phase != state.Done {
				t.Fatalf("%s %s is %s: %s", op.Action, op.Instance, op.Phase, op.Error)
			}
		}
	})
}

// BenchmarkApply measures plan, approval and execution of all-new fleets on simulated hosts that take
// no time: what novaplan itself costs.
func BenchmarkApply(b *testing.B) {
	for _, size := range []struct {
		name             string
		instances, hosts int
	}{{"1000-100", 1000, 100}, {"10000-1000", 10000, 1000}} {
		b.Run(size.name, func(b *testing.B) {
			for range b.N {
				l := newLab(b, size.hosts, true)
				l.begin()
				l.want(size.instances)
				began := time.Now()
				ids := l.approve()
				b.ReportMetric(time.Since(began).Seconds(), "s/approve")
				ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
				if err := l.c.Settle(ctx, ids); err != nil {
					b.Fatal(err)
				}
				cancel()
				if l.total() != size.instances {
					b.Fatalf("%d guests run", l.total())
				}
				l.kill()
			}
		})
	}
}
