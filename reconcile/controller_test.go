package reconcile_test

import (
	"testing"
	"testing/synctest"

	"github.com/novaplan/novaplan/spec"
)

func TestCreateThenTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.begin()
		defer l.kill()
		l.want(5)
		l.apply()
		l.converged()
		if got := l.total(); got != 5 {
			t.Fatalf("%d guests run, want 5\n%s", got, l.dump())
		}
		l.want(2)
		l.apply()
		l.converged()
		if got := l.total(); got != 2 {
			t.Fatalf("%d guests run, want 2\n%s", got, l.dump())
		}
		if n := l.rec.State().Trash.Len(); n != 3 {
			t.Errorf("%d in the trash, want 3", n)
		}
	})
}

func TestDrain(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 3, shared)
			l.begin()
			defer l.kill()
			l.want(6)
			l.apply()
			before := l.on()["kvm1"]
			l.mode(1, spec.ModeDrain)
			l.apply()
			l.converged()
			if before == 0 || l.on()["kvm1"] != 0 || l.total() != 6 {
				t.Errorf("shared=%v: kvm1 had %d guests; now %v\n%s", shared, before, l.on(), l.dump())
			}
		})
	}
}
