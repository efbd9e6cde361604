package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/spec"
)

// Keeping says how a fleet is kept as it should be. Zero fields have defaults.
type Keeping struct {
	Interval     time.Duration // between two full looks at a host, give or take a tenth; 0: DefaultInterval
	Debounce     time.Duration // from an event to the look that it causes; 0: DefaultDebounce
	Confirm      time.Duration // how long a difference must have lasted before anything is done about it; 0: DefaultConfirm
	Steady       time.Duration // how long a host that came back must have answered before its guests are touched; 0: DefaultSteady
	Housekeeping time.Duration // between two rounds of it; 0: DefaultHousekeeping
	Parallel     int           // hosts looked at at once; 0: Options.Observe
	// Policy is what may be done unasked; nil: what the record's settings say.
	Policy func() planner.Policy
	Offers *Offers // specs that nobody has agreed to yet; nil: there are none
	Meter  Meter   // nil: nobody counts
}

// Defaults of a Keeping.
const (
	DefaultInterval     = time.Minute
	DefaultDebounce     = 200 * time.Millisecond
	DefaultConfirm      = 3 * time.Second
	DefaultSteady       = 30 * time.Second
	DefaultHousekeeping = 10 * time.Minute
)

// Meter counts what a keeper does. Its methods must return at once.
type Meter interface {
	// Looked: a host was looked at.
	Looked(took time.Duration, reached bool)
	// Mending: that many differences of a kind were approved to be mended.
	Mending(kind drift.Kind, n int)
	// Stands: this is how the fleet stands now.
	Stands(drift.Standing)
}

func (o Keeping) withDefaults(c *Controller) Keeping {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	or(&o.Interval, DefaultInterval)
	or(&o.Debounce, DefaultDebounce)
	or(&o.Confirm, DefaultConfirm)
	or(&o.Steady, DefaultSteady)
	or(&o.Housekeeping, DefaultHousekeeping)
	if o.Parallel <= 0 {
		o.Parallel = c.opts.Observe
	}
	if o.Policy == nil {
		o.Policy = func() planner.Policy { return PolicyOf(c.rec.State().Settings) }
	}
	if o.Offers == nil {
		o.Offers = NewOffers()
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	return o
}

type noMeter struct{}

func (noMeter) Looked(time.Duration, bool) {}
func (noMeter) Mending(drift.Kind, int)    {}
func (noMeter) Stands(drift.Standing)      {}

// PolicyOf returns what the settings let be done unasked.
func PolicyOf(s state.Settings) planner.Policy {
	return planner.Policy{
		Auto: planner.AutoApply(s.Auto()),
		Cap:  planner.Cap{Count: s.CapCount, Share: float64(s.CapPercent) / 100},
	}
}

// Keep keeps the fleet as the spec in force says, until ctx ends or this process no longer leads: it looks at the
// hosts, on their events and at an interval, reports what is not as recorded, and mends what the settings let it
// mend. Beside it Run must be running, which carries out what Keep approves. Offers are taken up by it too.
//
// An event is never believed: it only makes a look happen soon. What a look shows is mended through the same
// planner, the same judgement and the same approval as what people apply.
func (c *Controller) Keep(ctx context.Context, how Keeping) error {
	if err := c.leading(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	k := &keeper{
		c: c, how: how.withDefaults(c), epoch: c.rec.Term(), hosts: map[spec.Address]*kept{}, files: map[string]time.Time{}, shared: map[string]state.State{},
		events: make(chan spec.Address), looked: make(chan looked, 64), acted: make(chan action),
		ledger: newLedger(), round: round{stale: true},
	}
	defer k.workers.Wait()
	defer cancel()
	defer c.standing.Store(nil)
	return k.run(ctx)
}

// Standing tells what is not as recorded, and whether anything is done about it. ok is false when nobody keeps the
// fleet here.
func (c *Controller) Standing() (standing drift.Standing, ok bool) {
	if s := c.standing.Load(); s != nil {
		return *s, true
	}
	return drift.Standing{}, false
}

// keeper is one run of Keep. One goroutine has all of it; the others look, wait for events, or act, and tell it.
type keeper struct {
	c       *Controller
	how     Keeping
	epoch   uint64
	workers sync.WaitGroup

	events chan spec.Address
	looked chan looked
	acted  chan action

	hosts    map[spec.Address]*kept
	index    uint64 // of the record when it was last gone through
	revision uint64
	settled  uint64 // approvals when no operation was open last
	settings state.Settings
	read     time.Time              // when it was
	looks    int                    // under way
	fresh    []looked               // not yet merged
	flushAt  time.Time              // when they are; zero: there are none
	files    map[string]time.Time   // when somebody was last told to list a shared pool
	shared   map[string]state.State // the record with which its files were compared
	disks    recordedDisks
	names    recordedNames

	ledger *ledger
	acting bool
	ready  bool      // everything was looked at in this term
	notYet time.Time // before which nothing is computed again
	round  round     // what the last round of acting came to
	recall bool      // something has changed since that may need acting
	tidied time.Time // when housekeeping was last begun, or is next from
	cutOff string    // why it is assumed that we are cut off; "": we aren't
}

// Pauses of the keeper.
const (
	readAgain  = 500 * time.Millisecond // between two passes through a record that changes
	mergeAfter = 50 * time.Millisecond  // results of looks are taken in together
	idleWait   = time.Minute            // when there is nothing to wait for
	restShare  = 10                     // computing takes at most this part of the time
	restLeast  = time.Second
)

func (k *keeper) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	k.tidied = time.Now().Add(jitter(k.how.Housekeeping)) // not the first thing that a new leader does
	for {
		changes := k.c.rec.Changes()
		if err := k.readRecord(ctx); err != nil {
			return err
		}
		k.flush()
		k.startLooks(ctx)
		k.act(ctx)
		k.publish()
		wait := k.nextWake()
		timer.Reset(wait)
		if k.c.rec.State().Index != k.index {
			changes = nil // known already: the timer is set to when it is read
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case address := <-k.events:
			k.touch(address)
		case l := <-k.looked:
			k.took(l)
			for range len(k.looked) { // many at once cost little more than one
				k.took(<-k.looked)
			}
		case a := <-k.acted:
			k.conclude(a)
		case <-k.how.Offers.wake:
		case <-changes:
		case <-timer.C:
		}
	}
}

// readRecord takes in what is new in the record, now and then.
func (k *keeper) readRecord(ctx context.Context) error {
	st := k.c.rec.State()
	if st.Index == k.index || time.Since(k.read) < readAgain {
		return nil
	}
	if k.c.rec.Term() != k.epoch {
		return fmt.Errorf("%w: another term has begun", ErrNotLeader)
	}
	if k.revision != st.Revision || len(k.hosts) == 0 {
		k.followHosts(ctx, st)
		k.recall = true
		k.ready = k.ready || len(k.hosts) == 0
	}
	if k.settled != st.Approvals && openOperations(st) == 0 {
		k.settled, k.recall = st.Approvals, true // what ended may have left something to do
	}
	if !reflect.DeepEqual(k.settings, st.Settings) {
		k.settings, k.recall, k.round.stale = st.Settings, true, true
	}
	k.index, k.read, k.revision = st.Index, time.Now(), st.Revision
	return nil
}

func openOperations(st state.State) int {
	n := 0
	for _, op := range st.Operations.All() {
		if !op.Phase.Final() {
			n++
		}
	}
	return n
}

// nextWake returns how long there is nothing to do, unless something happens.
func (k *keeper) nextWake() time.Duration {
	now := time.Now()
	next := now.Add(idleWait)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if k.c.rec.State().Index != k.index {
		sooner(k.read.Add(readAgain))
	}
	sooner(k.flushAt)
	if k.looks < k.how.Parallel {
		for _, h := range k.hosts {
			if !h.looking {
				sooner(h.due)
			}
		}
	}
	if !k.acting {
		sooner(k.actAt(now))
	}
	return max(next.Sub(now), time.Millisecond)
}

// jitter returns d give or take a tenth, so that many things with one interval don't happen together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
