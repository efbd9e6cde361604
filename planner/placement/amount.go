package placement

import (
	"fmt"

	"github.com/novaplan/novaplan/cluster/state"
)

// amount is a wanted amount against what a host has of it.
type amount struct {
	wanted, total, used int64
	allowed             int64 // total*ratio, rounded down
	ratio               float64
	pool                *Pool // of disk: where
}

// capacity is a filter on an amount: wanted <= total and total*ratio - used >= wanted.
func capacity(name, unit string, of func(f *Fleet, r *Request, i int) amount) Filter {
	return Filter{
		Name: name,
		Passes: func(f *Fleet, r *Request, i int) bool {
			a := of(f, r, i)
			return a.wanted <= a.total && a.allowed-a.used >= a.wanted
		},
		Why:  func(f *Fleet, r *Request, i int) string { return of(f, r, i).why(unit) },
		Lack: func(f *Fleet, r *Request, i int) float64 { return of(f, r, i).lack() },
	}
}

// why says what is missing: "wants 4096 MiB, 2048 of 6144 left at ratio 1.5".
func (a amount) why(unit string) string {
	has, of, other := "the host", "", ""
	if a.pool != nil {
		has = "pool " + a.pool.Path
		if a.pool.Shared {
			has = "shared " + has
		}
		of, other = " in "+has, state.OtherTakes(a.pool.Room.OtherMiB)
	}
	if a.wanted > a.total {
		return fmt.Sprintf("wants %d %s, %s has %d in all%s", a.wanted, unit, has, a.total, other)
	}
	return fmt.Sprintf("wants %d %s, %d of %d left at ratio %g%s%s", a.wanted, unit, max(0, a.allowed-a.used), a.allowed, a.ratio, of, other)
}

// lack is the missing amount as a share of the wanted one.
func (a amount) lack() float64 {
	if a.wanted == 0 {
		return 0
	}
	missing := max(a.wanted-(a.allowed-a.used), a.wanted-a.total)
	return float64(missing) / float64(a.wanted)
}
