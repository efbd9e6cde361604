package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/watch"
)

// watching keeps a fleet as the spec in a folder says. One goroutine uses it.
type watching struct {
	c       *console
	dir     string
	flags   *watchFlags
	folder  *folderReader
	base    context.Context // of what goes on after the first Ctrl-C
	connect func(context.Context, place) (*session, error)

	place   place
	session *session // nil: nothing good was there yet, or nobody could be reached

	work    *work    // what is being carried out; nil: nothing
	waiting *planned // what waits for an answer; nil: nothing
	id      string   // under which it waits in the record; "": it doesn't
	cutOff  bool     // something was left undone by an interruption
	lines   *lines   // what happens to operations
	answers *answers
	retry   *backoff
}

func (w *watching) close() {
	if w.work != nil {
		w.work.leave()
	}
	w.hangUp()
}

func (w *watching) hangUp() {
	if w.session != nil {
		_ = w.session.close() // what was acknowledged is on disk
		w.session = nil
	}
}

// changed takes in a folder that settled on something else.
func (w *watching) changed(ctx context.Context, folder watch.Folder) {
	w.retry.reset()
	s, err := w.folder.settled(ctx, folder)
	w.take(ctx, s, err)
}

// take goes on with what the folder says; nil: nothing new.
func (w *watching) take(ctx context.Context, s *spec.Spec, err error) {
	if err == nil && s != nil {
		err = w.open(ctx, s)
	}
	switch {
	case err != nil:
		w.trouble(err)
	case s != nil:
		w.folder.accept(s)
		w.plan(ctx, false)
	}
}

// open reaches the controller of the hosts that s is about.
func (w *watching) open(ctx context.Context, s *spec.Spec) error {
	p, err := placeOf(w.dir, s, w.flags.simulate, "watch")
	if err != nil {
		return err
	}
	if p.simulate {
		p.rewire(s)
	}
	if !w.flags.simulate {
		p.server = w.c.server()
	}
	p.folder = func() *wire.Folder { return w.folder.good.standing().wire(w.folderName()) }
	switch {
	case w.session == nil:
	case p.simulate != w.place.simulate:
		return fmt.Errorf("the hosts were %s ones and are %s ones now; that is another fleet, with a record of its own: start novaplan watch again",
			w.place.mode(), p.mode())
	case w.work == nil && !slices.Equal(p.networks, w.place.networks): // what simulated hosts have
		w.hangUp()
	default:
		return nil
	}
	if w.session, err = w.connect(ctx, p); err != nil {
		return err
	}
	w.place = p
	return nil
}

// trouble says what went wrong around the spec, and tries again later.
func (w *watching) trouble(err error) {
	if errors.Is(err, context.Canceled) {
		return // Ctrl-C
	}
	w.folder.good.refuse(err.Error())
	w.c.fail(err)
	if hopeless(err) {
		w.c.note("%s", w.folder.good.kept())
		return
	}
	w.c.note("%s The next try is in %v, or at the next save.", w.folder.good.kept(), w.retry.later())
}

// hopeless: the folder says something that can't be meant for here, however often it is tried.
func hopeless(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == api.CodeInvalid
}

// again is the try after something went wrong.
func (w *watching) again(ctx context.Context) {
	switch {
	case w.folder.retriable():
		s, err := w.folder.read(ctx)
		w.take(ctx, s, err)
	case w.folder.good.spec != nil && w.session != nil && w.work == nil && w.waiting == nil:
		w.plan(ctx, true)
	}
}

// plan asks what the good spec needs, and does it, or asks. again: nothing was saved since the last plan.
func (w *watching) plan(ctx context.Context, again bool) {
	p := &planned{session: w.session, spec: w.folder.good.spec, place: w.place}
	err := p.send(ctx, keyToKeep)
	if err == nil {
		p.plan, err = w.session.Plan(ctx, p.request)
	}
	if err != nil {
		w.trouble(err)
		return
	}
	w.consider(p, again)
}

// consider decides what becomes of a plan.
func (w *watching) consider(p *planned, again bool) {
	if w.work != nil && len(p.plan.Operations)+len(p.plan.Cancel) == 0 && sameSpec(p, w.work.job.p) {
		return // it is what is being carried out
	}
	if again && p.plan.Empty() && !p.plan.Blocked() {
		w.retry.reset()
		w.c.note("The fleet matches the spec.")
		return
	}
	w.show(p)
	verdict := judge(p.plan, w.flags.policy())
	switch {
	case len(p.plan.Refused()) > 0, p.plan.Blocked() && p.plan.Empty():
		// A spec of which nothing can be done doesn't come into force: the last good one stays.
		w.withdraw(context.WithoutCancel(w.base))
		w.folder.good.refuse("nothing of it can be done")
		w.c.note("Nothing was done.")
	case again && w.retry.waits():
		w.c.note("Tried again in %v, or at the next save.", w.retry.later())
	case verdict.Auto:
		w.carryOut(p)
	default:
		w.ask(p, verdict)
	}
}

func sameSpec(a, b *planned) bool {
	return slices.EqualFunc(a.request.Spec.Chunks, b.request.Spec.Chunks, func(x, y wire.Chunk) bool { return x.Digest == y.Digest })
}

func (w *watching) show(p *planned) {
	flags := planFlags{output: "text"}
	if err := w.c.showPlan(p.plan, &flags, p.parallel()); err != nil {
		w.c.fail(err)
	}
	if n := len(p.plan.Cancel); n > 0 {
		w.c.note("Withdrawn: %d of the operations that were approved before and not begun.", n)
	}
}

// judge is planner.Judge over what the API says of a plan.
func judge(p *wire.Plan, policy planner.Policy) planner.Verdict {
	plan := planner.Plan{Summary: planner.Summary(p.Summary), Cancel: p.Cancel}
	for i := range p.Changes {
		c := &p.Changes[i]
		change := planner.Change{Address: spec.Address(c.Address), Action: planner.ChangeAction(c.Action), Interrupts: c.Interrupts}
		change.Reason.Code = c.Reason.Code
		plan.Changes = append(plan.Changes, change)
	}
	for _, m := range p.Errors {
		plan.Errors = append(plan.Errors, planner.Message{Summary: m.Summary, Blocks: m.Blocks})
	}
	return planner.Judge(&plan, policy)
}
