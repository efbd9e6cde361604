package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/reconcile"
)

// applyFlags are the flags of apply and destroy.
type applyFlags struct {
	planFlags
	approve  bool
	parallel int
	message  string
}

func (f *applyFlags) add(cmd *cobra.Command) {
	f.planFlags.add(cmd)
	cmd.Flags().BoolVar(&f.approve, "auto-approve", false, "don't ask")
	cmd.Flags().IntVar(&f.parallel, "parallelism", 10, "operations at once, within the spec's own limits")
	cmd.Flags().StringVar(&f.message, "message", "", "why, for the history")
}

func newApply(c *console) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "apply [DIR|PLANFILE]",
		Short: "Do what plan shows, after asking",
		Long: `Apply plans, shows the plan, asks, and carries it out. With a saved plan it does exactly that, or nothing when the
fleet is not any more as the plan saw it.

The first Ctrl-C lets running operations finish and starts none; the second one aborts them. Whatever was cut off,
also by kill -9, is finished or undone by the next apply.`,
		Example: `  novaplan apply
  novaplan apply -auto-approve -json > events.ndjson
  novaplan apply fleet.plan`,
		Args: atMost(1, "one folder or saved plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.apply(cmd, folderOf(args), &flags, "apply")
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&flags.destroy, "destroy", false, "terminate everything in the spec")
	return cmd
}

func newDestroy(c *console) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "destroy [DIR]",
		Short: "Terminate everything that was applied from here, after asking",
		Long: `Destroy terminates all instances of the spec in force. Their disks go to the trash and are kept for trash_retention.
Hosts stay claimed as long as the trash has disks on them: a destroy after that deletes these, and the one after it
gives the hosts back.`,
		Example: `  novaplan destroy
  novaplan destroy -target 'instance.web[0]'`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.destroy = true
			return c.apply(cmd, folderOf(args), &flags, "destroy")
		},
	}
	flags.add(cmd)
	return cmd
}

func (c *console) apply(cmd *cobra.Command, path string, flags *applyFlags, command string) error {
	if err := flags.check(cmd); err != nil {
		return err
	}
	if flags.parallel < 1 {
		return usage(cmd, fmt.Sprintf("-parallelism %d: want 1 or more", flags.parallel))
	}
	saved := isFile(path)
	if saved && command == "destroy" {
		return usage(cmd, path+" is a file; destroy takes the folder of a spec")
	}
	if saved {
		if err := checkSaved(cmd); err != nil {
			return err
		}
	} else if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no folder and no saved plan %s", path)
	}
	if flags.json && !flags.approve && !saved {
		return usage(cmd, "-json can't ask: it needs -auto-approve or a saved plan")
	}
	ctx := cmd.Context()
	p, err := c.open(ctx, path, saved, flags, command)
	if err != nil {
		return err
	}
	defer p.session.close()
	job := &applying{c: c, p: p, flags: flags, saved: saved, command: command}
	return job.run(ctx)
}

// isFile tells a saved plan from a folder.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// open loads a folder or a saved plan, takes the record, and plans.
func (c *console) open(ctx context.Context, path string, saved bool, flags *applyFlags, command string) (*planned, error) {
	opts := reconcile.Options{Parallelism: flags.parallel}
	if saved {
		return c.openSaved(ctx, path, opts, command)
	}
	p, err := c.prepare(ctx, path, &flags.specFlags, command)
	if err != nil {
		return nil, err
	}
	if p.session, err = take(ctx, p.place, cluster.Options{Fleet: p.spec.Fleet}, opts); err != nil {
		return nil, err
	}
	return p, c.asked(ctx, p, flags.options(), keyToKeep)
}

// applying is one apply, from the plan to the outputs.
type applying struct {
	c       *console
	p       *planned
	flags   *applyFlags
	saved   bool
	command string
	id      string // of the request that is under way
}

// attempts is how often a plan that became stale is shown and asked about again.
const attempts = 5

func (a *applying) run(ctx context.Context) error {
	for range attempts {
		again, err := a.once(ctx)
		if !again {
			return err
		}
	}
	return errors.New("the fleet changes faster than it can be planned; try again when it is quiet")
}

// once shows the plan, asks and carries it out. It reports true when the plan was stale.
func (a *applying) once(ctx context.Context) (again bool, err error) {
	plan := a.p.plan
	if err := a.show(); err != nil {
		return false, err
	}
	// A spec of which nothing can be done doesn't come into force either: the last good one stays.
	if len(plan.Refused()) > 0 || plan.Blocked() && plan.Empty() {
		a.c.note("\nNothing was done.")
		return false, exit(exitError)
	}
	if a.p.request.From != (wire.From{}) {
		for _, line := range irreversible(plan) {
			a.c.note("! %s", line)
		}
	}
	if !plan.Empty() && !a.flags.approve && !a.saved {
		if err := a.ask(ctx); err != nil {
			return false, err
		}
	}
	r, err := a.carryOut(ctx)
	if err != nil {
		return false, err
	}
	if r.stale != nil {
		return a.stale(r.stale)
	}
	return false, a.conclude(ctx, r)
}

func (a *applying) show() error {
	if a.flags.json {
		return json.NewEncoder(a.c.Out).Encode(wire.Event{FormatVersion: wire.EventFormat, Type: wire.EventPlan, At: now(), Plan: a.p.plan})
	}
	return a.c.showPlan(a.p.plan, &a.flags.planFlags, a.p.parallel())
}

// noAnswer is said where nobody is there to be asked.
const noAnswer = "(no answer: standard input is at its end; -auto-approve doesn't ask)"

// ask wants the word yes, because what follows may not be undone.
func (a *applying) ask(ctx context.Context) error {
	question := "Do this?"
	if a.command == "destroy" || a.flags.destroy {
		question = "Really terminate all of this?"
	}
	fmt.Fprintf(a.c.Err, "\n%s Type yes to go on; anything else changes nothing: ", question)
	answer := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(a.c.In).ReadString('\n')
		if err != nil && line == "" {
			line = noAnswer
		}
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		a.c.note("")
		return ctx.Err()
	case text := <-answer:
		if text == "yes" {
			return nil
		}
		if strings.HasPrefix(text, "(") {
			a.c.note("%s", text)
		}
		a.c.note("Nothing was changed.")
		return exit(exitError)
	}
}

// stale takes the plan as it is now. A saved plan is refused instead: somebody agreed to it and nothing else.
func (a *applying) stale(plan *wire.Plan) (again bool, err error) {
	if a.saved {
		e := &wire.Error{
			Code: "stale", Message: "the saved plan is stale: the fleet or its record changed since it was made",
			Detail: []string{"Nothing was changed. Plan again, and look at what is different now."},
		}
		return false, e
	}
	a.c.note("\nThe fleet changed meanwhile and nothing was done yet. This is the plan now:\n")
	a.p.plan = plan
	return true, nil
}

func (a *applying) request() wire.ApplyRequest {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails, see crypto/rand
	return wire.ApplyRequest{
		Spec: a.p.request.Spec, From: a.p.request.From, Options: a.p.request.Options, Base: a.p.plan.Base, Digest: a.p.plan.Digest,
		By: operator(), Message: a.flags.message, Commit: commitOf(a.p.place.dir), Request: hex.EncodeToString(id),
	}
}

// operator names who approves, as the history shows it.
func operator() string {
	host, err := os.Hostname()
	if err != nil {
		return user()
	}
	return user() + "@" + host
}

// commitOf returns the git commit of the spec's folder, "" when it is in none.
func commitOf(dir string) string {
	out, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
