package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	watcher *watch.Watcher
	base    context.Context // of what goes on after the first Ctrl-C

	evaluate func(context.Context) (*evaluation, *spec.Spec, error)
	connect  func(context.Context, place) (*session, error)

	good     goodSpec
	place    place
	session  *session // nil: nothing good was there yet, or nobody could be reached
	folder   *watch.Folder
	doubtful watch.Sum // digest of a half-saved folder that waits for its next save

	work    *work    // what is being carried out; nil: nothing
	waiting *planned // what waits for an answer; nil: nothing
	id      string   // under which it waits in the record; "": it doesn't
	tried   string   // digest of the plan carried out last
	cutOff  bool     // something was left undone by an interruption
	lines   *lines   // what happens to operations
	answers *answers
	retry   *backoff
}

// goodSpec is the last spec that was without mistakes, and what is wrong with the folder since. It stays in force
// whatever becomes of the folder.
type goodSpec struct {
	files map[string][]byte
	spec  *spec.Spec // as it was evaluated; nil: there was none yet
	text  string     // warnings that were shown

	problem string // "": the folder is as the spec
	since   time.Time
	refused int // how often a folder was refused
}

func (g *goodSpec) refuse(problem string) {
	if g.problem == "" {
		g.since = time.Now()
	}
	g.problem = problem
	g.refused++
}

func (g *goodSpec) accept(s *spec.Spec, files map[string][]byte) {
	g.spec, g.files, g.problem, g.since = s, files, "", time.Time{}
}

// kept says what a folder that was refused leaves in force.
func (g *goodSpec) kept() string {
	if g.spec == nil {
		return "Nothing was changed."
	}
	return "Nothing was changed; the last good spec stays in force."
}

func (w *watching) evaluateFolder(ctx context.Context) (*evaluation, *spec.Spec, error) {
	return w.flags.evaluateApart(ctx, w.c, w.dir, w.flags.limits)
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
	w.folder = &folder
	if w.halfSaved(&folder) {
		return
	}
	w.take(ctx)
}

// halfSaved: a file holds only the beginning of what it held, as one that is being saved does. It may parse, and then
// it says that everything behind the cut is unwanted. The next save decides, also one of the same text. What git
// leaves behind is whole.
func (w *watching) halfSaved(folder *watch.Folder) bool {
	names := watch.Truncated(w.good.files, folder.Files)
	if len(names) == 0 || folder.Git || folder.Digest == w.doubtful {
		return false
	}
	w.doubtful = folder.Digest
	w.watcher.Again()
	w.good.refuse(strings.Join(names, ", ") + " looks half-saved")
	w.c.note("%s holds only the beginning of what it held before: it looks half-saved. %s\nIf it is meant so, save it once more.",
		strings.Join(names, ", "), w.good.kept())
	return true
}

// take evaluates the folder as it is, and goes on with what it says.
func (w *watching) take(ctx context.Context) {
	doc, s, err := w.evaluate(ctx)
	if err != nil {
		w.trouble(err)
		return
	}
	if !w.same(doc) {
		return // it was saved meanwhile: the folder comes again
	}
	w.watcher.Include(doc.Reads)
	if doc.Text != "" && (s == nil || doc.Text != w.good.text) {
		fmt.Fprint(w.c.Err, doc.Text)
	}
	if s == nil {
		w.good.refuse(summaryOf(doc))
		w.c.note("The spec has mistakes. %s", w.good.kept())
		return
	}
	if err := w.open(ctx, s); err != nil {
		w.trouble(err)
		return
	}
	w.good.accept(s, w.folder.Files)
	w.good.text, w.doubtful = doc.Text, watch.Sum{}
	w.plan(ctx, false)
}

// same reports whether what was evaluated is what the folder settled on.
func (w *watching) same(doc *evaluation) bool {
	for name, sum := range doc.Files {
		if content, ok := w.folder.Files[name]; ok && watch.SumOf(content) != sum {
			return false
		}
	}
	return true
}

func summaryOf(doc *evaluation) string {
	for _, d := range doc.Diagnostics.Diagnostics {
		if d.Severity == "error" {
			return d.Summary
		}
	}
	return "it can't be evaluated"
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
	w.good.refuse(err.Error())
	w.c.fail(err)
	w.c.note("%s The next try is in %v, or at the next save.", w.good.kept(), w.retry.later())
}

// again is the try after something went wrong.
func (w *watching) again(ctx context.Context) {
	switch {
	case w.folder == nil:
	case w.good.problem != "" && w.doubtful != w.folder.Digest:
		w.take(ctx)
	case w.good.spec != nil && w.session != nil && w.work == nil && w.waiting == nil:
		w.plan(ctx, true)
	}
}

// plan asks what the good spec needs, and does it, or asks. again: nothing was saved since the last plan.
func (w *watching) plan(ctx context.Context, again bool) {
	p := &planned{session: w.session, spec: w.good.spec, place: w.place}
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
		w.good.refuse("nothing of it can be done")
		w.c.note("Nothing was done.")
	case again && p.plan.Digest == w.tried && w.retry.waits():
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
