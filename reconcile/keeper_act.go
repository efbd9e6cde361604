package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/spec"
)

// keeperName is who approves what is mended.
const keeperName = "controller"

// round is what the last round of acting came to.
type round struct {
	inventory  bool // hosts have something that the record should know
	waits      []string
	tries      map[spec.Address]drift.Tries
	unfinished []drift.Report
	next       time.Time // when something that waits may be tried
	stale      bool      // the standing has to be published
}

// action is what one round of acting came to, as its goroutine tells it.
type action struct {
	took   time.Duration
	result mended
	offer  bool
	err    error
}

// act begins a round of acting when there is reason to, one at a time: an offer first, then what is to be mended.
func (k *keeper) act(ctx context.Context) {
	now := time.Now()
	if k.acting || !k.actDue(now) {
		return
	}
	k.judgeReach()
	if offer, ok := k.how.Offers.take(); ok {
		policy, cutOff := k.how.Policy(), k.cutOff
		k.begin(ctx, func() action {
			_, err := k.c.offer(ctx, offer, policy, cutOff)
			if err != nil {
				k.how.Offers.giveBack(offer)
			}
			return action{offer: true, err: err}
		})
		return
	}
	tidy := now.After(k.tidied)
	if tidy {
		k.tidied = now.Add(jitter(k.how.Housekeeping))
		tidy = k.cutOff == ""
	}
	k.recall = false
	m := k.mending(now)
	k.begin(ctx, func() action {
		if tidy {
			if err := k.c.Housekeeping(ctx); err != nil && ctx.Err() == nil {
				k.c.log.Warn("housekeeping", "error", err)
			}
		}
		result, err := m.run(ctx)
		return action{result: result, err: err}
	})
}

func (k *keeper) begin(ctx context.Context, do func() action) {
	k.acting = true
	k.workers.Go(func() {
		begun := time.Now()
		a := do()
		a.took = time.Since(begun)
		select {
		case k.acted <- a:
		case <-ctx.Done():
		}
	})
}

// actDue reports whether there is reason to act now.
func (k *keeper) actDue(now time.Time) bool {
	at := k.actAt(now)
	return !at.IsZero() && !at.After(now)
}

// actAt returns when there is reason to act; zero: none is known.
func (k *keeper) actAt(now time.Time) time.Time {
	if !k.ready {
		return time.Time{} // a new leader looks at everything first
	}
	if k.how.Offers.waiting() {
		return now
	}
	at := k.tidied
	if k.recall {
		at = now
	}
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	sooner(k.round.next)
	if at.Before(k.notYet) {
		return k.notYet
	}
	return at
}

func (k *keeper) allSeen() bool {
	for _, h := range k.hosts {
		if !h.seen {
			return false
		}
	}
	return true
}

// judgeReach decides whether we are cut off: most of the hosts that we work with don't answer. Those that somebody
// knows to be off are fenced, and don't count.
func (k *keeper) judgeReach() {
	st := k.c.rec.State()
	total, silent := 0, 0
	for address, h := range k.hosts {
		recorded, ok := st.Hosts.Get(string(address))
		if !ok || !recorded.Claimed || h.spec.Mode == spec.ModeFenced {
			continue
		}
		total++
		if !h.reached {
			silent++
		}
	}
	why := ""
	if total > 1 && 2*silent > total {
		why = fmt.Sprintf("%d of %d hosts don't answer: this controller is taken to be the one that is cut off, and does nothing", silent, total)
	}
	switch {
	case why != "" && k.cutOff == "":
		k.c.log.Error("cut off", "silent", silent, "hosts", total)
		k.ledger.tell("", "cut off: "+why)
	case why == "" && k.cutOff != "":
		k.c.log.Info("no longer cut off", "hosts", total)
		k.ledger.tell("", "cut off: no longer so")
	}
	if why != k.cutOff {
		k.round.stale = true
	}
	k.cutOff = why
}

// mending is one round of mending. It works on copies: a goroutine of its own has it.
type mending struct {
	c         *Controller
	policy    planner.Policy
	settings  state.Settings
	now       time.Time
	cutOff    string
	hold      []spec.Address
	renamed   []drift.Finding
	inventory bool
	found     int // differences that are to be mended
	news      []string
	about     []spec.Address
}

// mended is what it came to.
type mended struct {
	waits      []string
	tries      map[spec.Address]drift.Tries
	next       time.Time
	approved   map[drift.Kind]int
	unfinished []drift.Report
}

// mending gathers what a round needs.
func (k *keeper) mending(now time.Time) *mending {
	st := k.c.rec.State()
	m := &mending{
		c: k.c, policy: k.how.Policy(), settings: st.Settings, now: now, cutOff: k.cutOff, inventory: k.round.inventory,
		news: k.ledger.news, about: k.ledger.about,
	}
	k.ledger.news, k.ledger.about = nil, nil
	k.round.inventory = false
	for key, e := range k.ledger.open {
		switch confirmed := k.confirmed(e, now); {
		case !confirmed, key.Kind == drift.Disk: // a guest without its disk can't be started
			m.hold = append(m.hold, key.Address)
		case key.Kind == drift.Renamed && drift.PolicyOf(st.Settings, key.Kind) == state.DriftMend:
			m.renamed = append(m.renamed, e.finding)
		}
	}
	for address, h := range k.hosts {
		if now.Before(h.steadyAt) {
			m.hold = append(m.hold, address)
		}
	}
	slices.Sort(m.hold)
	return m
}

// conclude takes in what a round came to.
func (k *keeper) conclude(a action) {
	k.acting = false
	k.round.stale = true
	now := time.Now()
	k.notYet = now.Add(max(restLeast, restShare*a.took))
	if a.err != nil {
		k.c.log.Warn("can't keep the fleet", "error", a.err)
		k.recall = true
		k.notYet = now.Add(max(k.how.Interval/restShare, restLeast))
		return
	}
	if a.offer {
		k.recall = true
		return
	}
	k.round.waits, k.round.tries, k.round.unfinished = a.result.waits, a.result.tries, a.result.unfinished
	k.round.next = a.result.next
	for _, h := range k.hosts {
		if now.Before(h.steadyAt) && (k.round.next.IsZero() || h.steadyAt.Before(k.round.next)) {
			k.round.next = h.steadyAt
		}
	}
	for kind, n := range a.result.approved {
		k.how.Meter.Mending(kind, n)
	}
}

// run mends what may be mended.
func (m *mending) run(ctx context.Context) (mended, error) {
	var out mended
	if err := m.c.note(ctx, m.news, m.about); err != nil {
		return out, err
	}
	seen := m.c.lastSeen()
	if seen == nil {
		return out, nil // there are no hosts
	}
	if m.inventory {
		if err := m.c.recordInventory(ctx, seen, m.c.rec.State()); err != nil {
			return out, err
		}
	}
	st := m.c.rec.State()
	if st.Desired == nil || st.Revision == 0 {
		return out, nil
	}
	if hosts, epoch := planner.Behind(st, seen); len(hosts) > 0 {
		out.waits = []string{fmt.Sprintf("epoch %d has worked on %d hosts: this record is an old copy", epoch, len(hosts))}
		return out, nil
	}
	out.tries = drift.TriesOf(st)
	if m.cutOff != "" {
		out.waits = []string{m.cutOff}
		return out, nil
	}
	if err := m.rename(ctx, st); err != nil {
		return out, err
	}
	return out, m.mend(ctx, &out)
}

// rename takes the names that domains were given into the record: nothing depends on them, and a running domain
// can't be renamed back.
func (m *mending) rename(ctx context.Context, st state.State) error {
	seen := m.c.lastSeen()
	var renamed []state.Instance
	for _, f := range m.renamed {
		in, ok := st.Instances.Get(string(f.Address))
		o := seen.Hosts[f.Host]
		if !ok || o == nil || st.Busy(f.Address) != nil || in.Phase != state.Active || in.Host != f.Host {
			continue
		}
		for i := range o.Domains {
			if d := &o.Domains[i]; d.UUID == in.UUID && d.Name != in.Domain && d.Cluster == st.ClusterID {
				next := *in
				next.Domain = d.Name
				renamed = append(renamed, next)
			}
		}
	}
	if len(renamed) == 0 {
		return nil
	}
	err := m.c.commit(ctx, state.Command{Restore: &state.Restore{Instances: renamed, By: keeperName}})
	if refusalOf(err) != nil {
		return nil // something is done to one of them: the next round
	}
	return err
}

// passes bounds how often a round computes: each holds what the one before showed that it may not do.
const passes = 4

// mend computes, judges and approves.
func (m *mending) mend(ctx context.Context, out *mended) error {
	open := openOperations(m.c.rec.State()) > 0
	opts := planner.Options{Leave: drift.Unmended(m.settings), Hold: m.waiting(out)}
	var plan *planner.Plan
	for range passes {
		plan = planner.Compute(m.c.rec.State(), m.c.lastSeen(), m.c.lastSeen().At, opts)
		more := m.unfit(plan, open, out)
		if len(more) == 0 {
			break
		}
		opts.Hold = append(slices.Clip(opts.Hold), more...)
	}
	if len(plan.Freeze) > 0 {
		return m.freeze(ctx, plan, opts, out)
	}
	switch verdict := planner.Judge(plan, m.policy); {
	case len(plan.Operations) == 0:
		return nil
	case len(plan.Cancel) > 0 && open:
		return nil // what was approved is being carried out: when that is done, there is another round
	case !verdict.Auto:
		out.waits = append(out.waits, verdict.Why...)
		return nil
	}
	return m.approve(ctx, plan, opts, out)
}

// freeze freezes what is seen where it should not be, when a look at all hosts where it is shows that still. Nothing
// else is done in this round.
func (m *mending) freeze(ctx context.Context, plan *planner.Plan, opts planner.Options, out *mended) error {
	out.next = m.now.Add(restLeast)
	before := m.c.rec.State()
	uuids := map[string]bool{}
	at := map[spec.Address]bool{}
	for _, f := range plan.Freeze {
		if in, ok := before.Instances.Get(string(f.Instance)); ok {
			uuids[in.UUID], at[in.Host] = true, true
		}
	}
	for address, h := range m.c.lastSeen().Hosts {
		if slices.ContainsFunc(h.Domains, func(d planner.Domain) bool { return uuids[d.UUID] }) {
			at[address] = true
		}
	}
	if err := m.c.lookOnce(ctx, slices.Sorted(maps.Keys(at))); err != nil {
		return err
	}
	seen := m.c.lastSeen()
	again := planner.Compute(before, seen, seen.At, opts)
	return m.c.freeze(ctx, before, slices.DeleteFunc(again.Freeze, func(f state.Freeze) bool {
		return !slices.ContainsFunc(plan.Freeze, func(o state.Freeze) bool { return o.Instance == f.Instance })
	}))
}

// waiting returns what is held: what it is too early for, and the guests of hosts that have only just come back.
func (m *mending) waiting(out *mended) []spec.Address {
	hold := slices.Clone(m.hold)
	for address, t := range out.tries {
		if !t.Waits(m.now) {
			continue
		}
		hold = append(hold, address)
		if !t.Withdrawn && (out.next.IsZero() || t.Next.Before(out.next)) {
			out.next = t.Next
		}
	}
	slices.Sort(hold)
	return slices.Compact(hold)
}

// unfit returns what of a plan isn't done unasked, for each reason.
func (m *mending) unfit(plan *planner.Plan, open bool, out *mended) []spec.Address {
	alone := m.policy
	alone.Cap.Off = true
	var unfit []spec.Address
	for i := range plan.Changes {
		ch := &plan.Changes[i]
		if len(ch.Operations) == 0 || ch.Action == planner.ActContinue {
			continue
		}
		kind := drift.KindOf(ch.Reason.Code)
		policy := drift.PolicyOf(m.settings, kind)
		verdict := planner.Judge(&planner.Plan{Changes: []planner.Change{*ch}, Summary: plan.Summary}, alone)
		if policy == state.DriftMend && verdict.Auto && !(open && kind == drift.Unfinished) {
			continue
		}
		unfit = append(unfit, ch.Address)
		if policy == state.DriftMend {
			out.waits = append(out.waits, verdict.Why...)
		}
		if kind == drift.Unfinished && !open && policy != state.DriftIgnore {
			out.unfinished = append(out.unfinished, drift.Report{Policy: policy, Since: m.now, Finding: drift.Finding{
				Kind: kind, Address: ch.Address, What: string(ch.Action), Host: ch.From, Message: string(ch.Action) + ": " + ch.Reason.Message,
			}})
		}
	}
	out.waits = slices.Compact(slices.Sorted(slices.Values(out.waits)))
	return unfit
}

// approve looks once more at the hosts of a plan, and approves it when it still is the plan.
func (m *mending) approve(ctx context.Context, plan *planner.Plan, opts planner.Options, out *mended) error {
	c := m.c
	kinds := map[drift.Kind]int{}
	for i := range plan.Changes {
		if len(plan.Changes[i].Operations) > 0 && plan.Changes[i].Action != planner.ActContinue {
			kinds[drift.KindOf(plan.Changes[i].Reason.Code)]++
		}
	}
	c.approving.Lock()
	defer c.approving.Unlock()
	a := planner.Approval{
		Options: opts, Base: plan.Base, Digest: plan.Digest, By: keeperName, Origin: "drift", Request: "drift-" + uuid.NewString(),
	}
	approved, err := c.approve(ctx, a, c.rec.State(), func() (*planner.Plan, *planner.Observed, state.State, error) {
		if err := c.lookOnce(ctx, hostsOf(plan)); err != nil {
			return nil, nil, state.State{}, err
		}
		st, seen := c.rec.State(), c.lastSeen()
		now := planner.Compute(st, seen, seen.At, opts)
		now.Freeze = nil // that wants a look at other hosts
		return now, seen, st, nil
	})
	if refusalOf(err) != nil || errors.Is(err, ErrBlocked) {
		out.waits = append(out.waits, err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	if approved.Stale {
		out.next = time.Now().Add(restLeast)
		return nil
	}
	out.approved = kinds
	texts, about := describeChanges(plan)
	c.log.Info("mending", "request", a.Request, "operations", len(plan.Operations))
	return c.note(ctx, texts, about)
}

// describeChanges says what is mended, for the history.
func describeChanges(plan *planner.Plan) (texts []string, about []spec.Address) {
	for i := range plan.Changes {
		if ch := &plan.Changes[i]; len(ch.Operations) > 0 && ch.Action != planner.ActContinue {
			texts = append(texts, fmt.Sprintf("%s: %s", ch.Action, ch.Reason.Message))
			about = append(about, ch.Address)
		}
	}
	return texts, about
}

// hostsOf lists the hosts on which a plan does something.
func hostsOf(plan *planner.Plan) []spec.Address {
	var hosts []spec.Address
	for i := range plan.Operations {
		for _, a := range []spec.Address{plan.Operations[i].From, plan.Operations[i].To} {
			if a != "" && !slices.Contains(hosts, a) {
				hosts = append(hosts, a)
			}
		}
	}
	return hosts
}

// lookOnce looks at some hosts and merges what it sees into the last look.
func (c *Controller) lookOnce(ctx context.Context, addresses []spec.Address) error {
	defer c.hosts.looking()()
	st := c.rec.State()
	l := c.lookAt(st, nil)
	l.Brief = true
	for _, a := range addresses {
		if h, err := c.hosts.find(a); err == nil {
			l.Hosts = append(l.Hosts, h)
		}
	}
	seen, err := l.At(ctx, time.Now().UTC())
	if err != nil {
		return err
	}
	c.merge(observe.Partial{Seen: seen, Brief: true})
	return nil
}
