package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/spec"
)

// ledger knows the differences, and which of them were told.
type ledger struct {
	open   map[drift.Key]*entry
	byHost map[spec.Address][]drift.Key
	news   []string // what is to be noted in the history, not noted yet
	about  []spec.Address
}

type entry struct {
	finding drift.Finding
	since   time.Time
	looks   int  // that found it
	told    bool // in the history
	acted   bool // a round of acting knew that it was confirmed
}

func newLedger() *ledger {
	return &ledger{open: map[drift.Key]*entry{}, byHost: map[spec.Address][]drift.Key{}}
}

// forget drops what is known of a host that is none of ours any more.
func (l *ledger) forget(host spec.Address) { l.replace(host, nil, time.Time{}) }

// replace takes in what a look at a host found. It returns what it found for the first time, and what is gone.
func (l *ledger) replace(host spec.Address, found []drift.Finding, now time.Time) (fresh, gone []*entry) {
	before := l.byHost[host]
	keys := make([]drift.Key, 0, len(found))
	for _, f := range found {
		key := f.Key()
		e := l.open[key]
		if e == nil {
			e = &entry{since: now}
			l.open[key] = e
			fresh = append(fresh, e)
		}
		e.finding = f
		e.looks++
		keys = append(keys, key)
	}
	for _, key := range before {
		if e := l.open[key]; e != nil && e.finding.Host == host && !slices.Contains(keys, key) {
			delete(l.open, key)
			gone = append(gone, e)
		}
	}
	if len(keys) == 0 {
		delete(l.byHost, host)
	} else {
		l.byHost[host] = keys
	}
	return fresh, gone
}

// confirmed reports whether a difference was found twice, some time apart.
func (k *keeper) confirmed(e *entry, now time.Time) bool {
	return e.looks > 1 && now.Sub(e.since) >= k.how.Confirm
}

// find compares what looks saw with the record.
func (k *keeper) find(fresh []looked, seen *planner.Observed) {
	st := k.c.rec.State()
	now := time.Now()
	for _, l := range fresh {
		h := k.hosts[l.address]
		o := seen.Hosts[l.address]
		if h == nil || o == nil {
			continue
		}
		found := drift.Look{State: st, Before: l.before, Files: k.listedAt(h), Shared: seen, Instance: k.names.of(st)}.At(l.address, o)
		first, gone := k.ledger.replace(l.address, found, now)
		for _, key := range k.ledger.byHost[l.address] { // look once more before anything is believed
			e := k.ledger.open[key]
			if e == nil {
				continue // seen at another host since
			}
			if again := e.since.Add(k.how.Confirm); !k.confirmed(e, now) && h.due.After(again) {
				h.due = again
			}
		}
		if len(first) > 0 {
			h.full = now // at its disks too
			for path, at := range k.files {
				if now.Sub(at) >= k.how.Confirm {
					delete(k.files, path)
				}
			}
		}
		if len(first)+len(gone) > 0 {
			k.recall, k.round.stale = true, true
		}
		k.recovered(gone)
	}
	k.report(st, now)
	if k.news(st, fresh, seen) || len(k.ledger.news) > 0 {
		k.recall = true
	}
}

// listedAt returns the record as it was when the files of a host's pool were listed.
func (k *keeper) listedAt(h *kept) func(state.Pool) state.State {
	return func(p state.Pool) state.State {
		if p.Shared {
			return k.shared[p.Dir()]
		}
		return h.files
	}
}

// recovered tells what is as it should be again.
func (k *keeper) recovered(gone []*entry) {
	for _, e := range gone {
		if e.told {
			k.c.log.Info("as it should be again", "kind", string(e.finding.Kind), "address", string(e.finding.Address), "host", string(e.finding.Host))
			k.ledger.tell(e.finding.Address, fmt.Sprintf("%s: no longer so: %s", e.finding.Kind, e.finding.Message))
		}
	}
}

func (l *ledger) tell(about spec.Address, text string) {
	l.news, l.about = append(l.news, text), append(l.about, about)
}

// report tells what was confirmed and wasn't told.
func (k *keeper) report(st state.State, now time.Time) {
	for _, e := range k.ledger.open {
		if !k.confirmed(e, now) {
			continue
		}
		if !e.acted {
			e.acted, k.recall, k.round.stale = true, true, true
		}
		policy := drift.PolicyOf(st.Settings, e.finding.Kind)
		if e.told || policy == state.DriftIgnore {
			continue
		}
		e.told = true
		k.c.log.Warn("not as recorded", "kind", string(e.finding.Kind), "address", string(e.finding.Address),
			"host", string(e.finding.Host), "found", e.finding.Message, "policy", string(policy))
		k.ledger.tell(e.finding.Address, fmt.Sprintf("%s: %s (%s)", e.finding.Kind, e.finding.Message, policy))
	}
}

// news reports whether hosts have anything that the record should know.
func (k *keeper) news(st state.State, fresh []looked, seen *planner.Observed) bool {
	for _, l := range fresh {
		recorded, _ := st.Hosts.Get(string(l.address))
		if o := seen.Hosts[l.address]; o != nil && o.Reachable && recorded != nil && recorded.Claimed == o.Claimed && observe.Changed(recorded, k.c.hostName(st, l.address), o) {
			k.round.inventory = true
			return true
		}
	}
	return false
}

// What the history is told at once: more than that at a time is counted.
const (
	mostNotes = 20
	noteBytes = 700
)

// note writes the news into the history.
func (c *Controller) note(ctx context.Context, news []string, about []spec.Address) error {
	if c.rec.State().Level < state.LevelServed || len(news) == 0 {
		return nil
	}
	if len(news) > mostNotes {
		news, about = []string{summaryOfNews(news)}, []spec.Address{""}
	}
	commands := make([]state.Command, len(news))
	for i, text := range news {
		if len(text) > noteBytes {
			text = strings.ToValidUTF8(text[:noteBytes], "") + "..."
		}
		commands[i].Note = &state.Note{Kind: "drift", Address: about[i], Message: text, By: keeperName}
	}
	return c.commitAll(ctx, commands)
}

// summaryOfNews counts news by what they begin with, their kind.
func summaryOfNews(news []string) string {
	counts := map[string]int{}
	for _, text := range news {
		kind, _, _ := strings.Cut(text, ":")
		counts[kind]++
	}
	parts := make([]string, 0, len(counts))
	for kind, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d differences came or went: %s", len(news), strings.Join(parts, ", "))
}

// publish says how the fleet stands.
func (k *keeper) publish() {
	if !k.round.stale {
		return
	}
	k.round.stale = false
	now := time.Now()
	st := k.c.rec.State()
	s := drift.Standing{At: now, CutOff: k.cutOff, Waits: k.round.waits}
	for _, e := range k.ledger.open {
		policy := drift.PolicyOf(st.Settings, e.finding.Kind)
		if policy == state.DriftIgnore || !k.confirmed(e, now) {
			continue
		}
		s.Reports = append(s.Reports, drift.Report{Finding: e.finding, Since: e.since, Policy: policy, Tries: k.round.tries.About(e.finding)})
	}
	s.Reports = append(s.Reports, k.round.unfinished...)
	slices.SortFunc(s.Reports, drift.Compare)
	k.c.standing.Store(&s)
	k.how.Meter.Stands(s)
}

// recordedDisks remembers which files are disks of instances for as long as nothing becomes of any.
type recordedDisks struct {
	st    state.State // that they are of
	at    time.Time
	files func(spec.Address, spec.Pool) map[string]bool
}

// tooOld is how long something worked out from all instances is good while they change all the time.
const tooOld = 5 * time.Second

func (r *recordedDisks) of(st state.State) (func(spec.Address, spec.Pool) map[string]bool, state.State) {
	if r.files == nil || r.st.LastEvent != st.LastEvent && time.Since(r.at) > tooOld {
		r.st, r.at, r.files = st, time.Now(), disksOf(st)
	}
	return r.files, r.st
}

// recordedNames remembers which instance has which UUID, in the same way.
type recordedNames struct {
	event uint64
	at    time.Time
	names map[string]spec.Address
}

// of is lazy: only a domain without a stamp makes anybody ask.
func (r *recordedNames) of(st state.State) func(string) (spec.Address, bool) {
	return func(uuid string) (spec.Address, bool) {
		if r.names == nil || r.event != st.LastEvent && time.Since(r.at) > tooOld {
			r.event, r.at, r.names = st.LastEvent, time.Now(), map[string]spec.Address{}
			for a, in := range st.Instances.All() {
				r.names[in.UUID] = spec.Address(a)
			}
		}
		a, ok := r.names[uuid]
		return a, ok
	}
}
