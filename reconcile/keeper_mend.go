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
	news      []string
	about     []spec.Address
}

// mended is what it came to.
type mended struct {
	waits      []string
	tries      drift.AllTries
	computing  time.Duration // how much of the time was spent so
	next       time.Time
	approved   map[drift.Kind]int
	unfinished []drift.Report
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
	err := m.mend(ctx, &out)
	return out, err
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
	opts := planner.Options{Leave: drift.Unmended(m.settings), Hold: slices.Compact(m.hold)}
	var plan *planner.Plan
	for range passes {
		begun := time.Now()
		plan = planner.Compute(m.c.rec.State(), m.c.lastSeen(), m.c.lastSeen().At, opts)
		out.computing += time.Since(begun)
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

// tooEarly reports whether the same was tried so lately, or so often, that it waits.
func (m *mending) tooEarly(op *state.Operation, out *mended) bool {
	t := out.tries.Of(op)
	if !t.Waits(m.now) {
		return false
	}
	if !t.Withdrawn && (out.next.IsZero() || t.Next.Before(out.next)) {
		out.next = t.Next
	}
	return true
}

// unfit returns what of a plan isn't done unasked, for each reason.
func (m *mending) unfit(plan *planner.Plan, open bool, out *mended) []spec.Address {
	alone := m.policy
	alone.Cap.Off = true
	ops := map[string]*state.Operation{}
	for i := range plan.Operations {
		ops[plan.Operations[i].ID] = &plan.Operations[i]
	}
	var unfit []spec.Address
	for i := range plan.Changes {
		ch := &plan.Changes[i]
		if len(ch.Operations) == 0 || ch.Action == planner.ActContinue {
			continue
		}
		if op := ops[ch.Operations[0]]; op != nil && m.tooEarly(op, out) {
			unfit = append(unfit, ch.Address)
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
