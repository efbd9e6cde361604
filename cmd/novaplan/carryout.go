package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
)

func now() time.Time { return time.Now().UTC() }

// outcome is what became of an approval.
type outcome struct {
	stale       *wire.Plan
	result      *wire.Result
	interrupted bool
}

// carryOut approves the plan and follows it to its end. From here on Ctrl-C doesn't end the process: the
// first one stops starting operations, the second one aborts them, the third one leaves.
func (a *applying) carryOut(ctx context.Context) (outcome, error) {
	var out outcome
	work, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	request := a.request()
	a.id = request.Request
	show := a.reporter()
	defer show.close()
	done := make(chan error, 1)
	go func() {
		done <- a.p.session.Apply(work, request, func(e wire.Event) error {
			switch e.Type {
			case wire.EventStale:
				out.stale = e.Plan
			case wire.EventSettled:
				out.result = e.Result
			}
			return show.event(e)
		})
	}()
	presses := 0
	for {
		select {
		case err := <-done:
			out.interrupted = presses > 0
			if err == nil && out.stale == nil && out.result == nil {
				err = fmt.Errorf("the controller went away before the work was done; the next apply goes on with it")
			}
			return out, err
		case <-signals:
			presses++
			a.interrupt(work, presses, leave)
		}
	}
}

func (a *applying) interrupt(ctx context.Context, presses int, leave func()) {
	if a.p.session.remote {
		a.interruptThere(ctx, presses, leave)
		return
	}
	switch presses {
	case 1:
		a.c.note("Interrupted: what runs is finished, nothing else is begun. Ctrl-C again aborts it.")
	case 2:
		a.c.note("Aborting what runs. Ctrl-C again leaves at once; the next apply clears up.")
	default:
		leave()
		return
	}
	if err := a.p.session.Cancel(ctx, wire.CancelRequest{Abort: presses > 1, Request: a.id}); err != nil {
		a.c.fail(err)
	}
}

// interruptThere withdraws from a server what it hasn't begun. What runs is the server's, and others work there too.
func (a *applying) interruptThere(ctx context.Context, presses int, leave func()) {
	if presses > 1 {
		a.c.note("Leaving. What runs goes on at the server; novaplan events -addr shows it.")
		leave()
		return
	}
	a.c.note("Interrupted: what runs is finished, the rest is withdrawn. Ctrl-C again leaves at once.")
	if err := a.p.session.Cancel(ctx, wire.CancelRequest{Request: a.id}); err != nil {
		a.c.fail(err)
	}
}

// conclude says what was done, what failed and why, and shows addresses and outputs.
func (a *applying) conclude(ctx context.Context, r outcome) error {
	ctx = context.WithoutCancel(ctx)
	if local := a.p.session.local; local != nil && !r.interrupted {
		if err := local.Housekeeping(ctx); err != nil {
			a.c.note("%s clearing up: %v", a.c.palette(a.c.Err).Warn("Warning:"), err)
		}
	}
	a.summarize(r)
	if err := a.outputs(ctx); err != nil {
		return err
	}
	switch {
	case r.interrupted:
		return exit(exitInterrupted)
	case len(r.result.Failed)+len(r.result.Left) > 0 || a.p.plan.Blocked():
		return exit(exitError)
	}
	return nil
}

func (a *applying) summarize(r outcome) {
	failed, left := r.result.Failed, r.result.Left
	if a.flags.json || a.p.plan.Empty() && r.result.Done+len(failed)+len(left) == 0 {
		return
	}
	say := wordsOf(a.p.plan)
	paint := a.c.palette(a.c.Err)
	for _, o := range failed {
		a.c.note("%s %s: %s: %s", paint.Bad("Error:"), say.subject(&o), say.deed(&o), o.Error)
	}
	if r.result.Done+len(failed)+len(left) == 0 {
		a.c.note("\nThe record is up to date; nothing had to be done on a host.")
		return
	}
	text := fmt.Sprintf("%s done", render.Count(r.result.Done, "operation"))
	if len(failed) > 0 {
		text += fmt.Sprintf(", %d failed", len(failed))
	}
	if len(left) > 0 {
		text += fmt.Sprintf(", %d not done", len(left))
	}
	a.c.note("\n%s.", text)
	switch {
	case len(left) > 0 && r.interrupted && !a.p.session.remote:
		a.c.note("The rest stays approved: the next apply goes on with it.")
	case len(failed)+len(left) > 0:
		a.c.note("novaplan plan shows what is left.")
	}
}

// outputs ends an apply with where everything is and the spec's outputs.
func (a *applying) outputs(ctx context.Context) error {
	if plan := a.p.plan; plan.Empty() && len(plan.Errors) > 0 && !a.flags.json {
		return nil // nothing came of it: what the outputs say would only hide the errors
	}
	status, err := a.p.session.Status(ctx, wire.StatusRequest{})
	if err != nil {
		return err
	}
	var values []lang.OutputValue
	if !a.p.request.Options.Destroy { // nothing is left that they could speak of
		values = a.evaluate(status)
	}
	if a.flags.json {
		e := wire.Event{Type: wire.EventOutputs, At: now(), Status: status, Outputs: map[string]json.RawMessage{}}
		for _, v := range values {
			if !v.Sensitive {
				e.Outputs[v.Name] = v.JSON
			}
		}
		return json.NewEncoder(a.c.Out).Encode(e)
	}
	if len(status.Instances) > 0 && !a.p.plan.Empty() && !a.flags.concise {
		fmt.Fprintln(a.c.Out)
		if err := render.Addresses(a.c.Out, status.Instances); err != nil {
			return err
		}
	}
	if len(values) == 0 {
		return nil
	}
	fmt.Fprintln(a.c.Out, "\nOutputs:")
	for _, v := range values {
		fmt.Fprintf(a.c.Out, "  %s = %s\n", v.Name, shown(v))
	}
	return nil
}

// evaluate computes the outputs with what is known now. What the record has, and no folder, has none.
func (a *applying) evaluate(status *wire.Status) []lang.OutputValue {
	if a.p.folder == nil {
		return nil
	}
	decided := make(map[spec.Address]lang.Decided, len(status.Instances))
	for i := range status.Instances {
		in := &status.Instances[i]
		if in.Host == "" {
			continue
		}
		d := lang.Decided{Host: spec.Address(in.Host), State: in.State, UUID: in.UUID}
		for _, n := range in.NICs {
			d.NICs = append(d.NICs, lang.DecidedNIC{FixedIP: n.IP, MAC: n.MAC})
		}
		decided[spec.Address(in.Address)] = d
	}
	values, diags := a.p.folder.Outputs(decided)
	switch {
	case diags.HasErrors() && slices.ContainsFunc(a.p.spec.Instances, func(in spec.Instance) bool { return decided[in.Address].Host == "" }):
		a.c.note("\nOutputs that need what isn't there are left out.") // their own errors would hide why it isn't
	default:
		_ = a.c.diagnose(a.p.folder, diags) // said; what was done is done
	}
	return values
}

// shown writes a value for people.
func shown(v lang.OutputValue) string {
	if v.Sensitive {
		return "(sensitive)"
	}
	var value any
	if json.Unmarshal(v.JSON, &value) != nil {
		return string(v.JSON)
	}
	switch value.(type) {
	case map[string]any, []any:
		text, err := json.MarshalIndent(value, "  ", "  ")
		if err == nil {
			return string(text)
		}
	}
	return string(v.JSON)
}
