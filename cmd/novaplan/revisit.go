package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/reconcile"
)

func newRollback(c *console) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "rollback REVISION [DIR]",
		Short: "Plan and apply an older revision of the spec, after asking",
		Long: `Rollback makes a new plan from a revision that is kept, and carries it out after asking. It becomes a revision of its
own: nothing is taken out of the history. What can't be undone is marked: a terminated instance comes back with empty
disks. The files stay as they are, so change them too: the next apply of the folder would undo the rollback.`,
		Example: `  novaplan history
  novaplan diff 12 11
  novaplan rollback 11`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "rollback wants the number of a revision; novaplan history lists them")
			}
			return atMost(2, "a revision and a folder")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := revisionNumber(cmd, args[0])
			if err != nil {
				return err
			}
			return c.revisit(cmd, folderOf(args[1:]), wire.From{Revision: n}, &flags, "rollback")
		},
	}
	flags.addRevisit(cmd)
	return cmd
}

func newApprove(c *console) *cobra.Command {
	var flags applyFlags
	var list, drop bool
	cmd := &cobra.Command{
		Use:   "approve [ID] [DIR]",
		Short: "Carry out a plan that waits for approval, after showing it",
		Long: `Approve shows a plan that waits, as it is now, and carries it out after asking. Plans wait when a watched folder wants
more than may be done unasked: see auto_apply. Without an ID it lists what waits.`,
		Example: `  novaplan approve
  novaplan approve 3f9a1c2b
  novaplan approve -drop 3f9a1c2b`,
		Args: atMost(2, "the id of a plan and a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || list {
				return c.listPending(cmd, folderOf(args), flags.simulate)
			}
			if drop {
				return c.dropPending(cmd, args[0], folderOf(args[1:]), flags.simulate)
			}
			return c.revisit(cmd, folderOf(args[1:]), wire.From{Pending: args[0]}, &flags, "approve")
		},
	}
	flags.addRevisit(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "list what waits; an argument is a folder")
	cmd.Flags().BoolVar(&drop, "drop", false, "forget the plan instead")
	return cmd
}

// addRevisit adds the flags of apply that make sense without a spec.
func (f *applyFlags) addRevisit(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.simulate, "simulate", false, "of the folder's simulation")
	cmd.Flags().BoolVar(&f.partial, "allow-partial", false, "do what can be done of a drain that can't be completed")
	cmd.Flags().BoolVar(&f.concise, "concise", false, "without details and reasons")
	cmd.Flags().StringVarP(&f.output, "o", "o", "text", "text or wide: one row for each change")
	cmd.Flags().BoolVar(&f.json, "json", false, "as JSON on standard output, see docs/plan-schema.md")
	cmd.Flags().BoolVar(&f.approve, "auto-approve", false, "don't ask")
	cmd.Flags().IntVar(&f.parallel, "parallelism", 10, "operations at once, within the spec's own limits")
	cmd.Flags().StringVar(&f.message, "message", "", "why, for the history")
}

func revisionNumber(cmd *cobra.Command, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, usage(cmd, fmt.Sprintf("%s is no number of a revision; novaplan history lists them", text))
	}
	return n, nil
}

// revisit plans and applies a spec that the record has.
func (c *console) revisit(cmd *cobra.Command, dir string, from wire.From, flags *applyFlags, command string) error {
	if err := flags.check(cmd); err != nil {
		return err
	}
	if flags.json && !flags.approve {
		return usage(cmd, "-json can't ask: it needs -auto-approve")
	}
	ctx := cmd.Context()
	p := &planned{place: c.placeWithout(dir, flags.simulate, command)}
	if p.place.server == nil && !cluster.Exists(p.place.record()) {
		return fmt.Errorf("nothing was ever applied from %s", dir)
	}
	var err error
	if p.session, err = share(ctx, p.place, cluster.Options{}, reconcile.Options{Parallelism: flags.parallel}); err != nil {
		return err
	}
	defer p.session.close()
	p.request = wire.PlanRequest{From: from, Options: flags.options()}
	if p.plan, err = p.session.Plan(ctx, p.request); err != nil {
		return err
	}
	if flags.message == "" && from.Revision > 0 {
		flags.message = fmt.Sprintf("rollback to revision %d", from.Revision)
	}
	job := &applying{c: c, p: p, flags: flags, command: command}
	if err := job.run(ctx); err != nil {
		return err
	}
	if from.Revision > 0 && !p.plan.Empty() {
		c.note("\nThe files of the spec were not changed. Put them back too: the next apply of the folder would undo the rollback.")
	}
	return nil
}

// irreversible says what of a plan no later plan brings back.
func irreversible(p *wire.Plan) []string {
	var lines []string
	for _, ch := range p.Changes {
		switch ch.Action {
		case "terminate":
			lines = append(lines, fmt.Sprintf("%s is terminated: its disks are in the trash for a while, then they are gone", ch.Address))
		case "create":
			lines = append(lines, fmt.Sprintf("%s is made anew: what an earlier one had on its disks doesn't come back", ch.Address))
		}
	}
	const most = 20
	if more := len(lines) - most; more > 0 {
		lines = append(lines[:most], fmt.Sprintf("... and so are %d more", more))
	}
	return lines
}

func (c *console) listPending(cmd *cobra.Command, dir string, simulate bool) error {
	s, err := c.visitRecord(cmd.Context(), dir, simulate, "approve")
	if err != nil {
		return err
	}
	defer s.close()
	waiting, err := s.PendingPlans(cmd.Context())
	if err != nil {
		return err
	}
	if len(waiting.Plans) == 0 {
		c.note("No plan waits for approval.")
	}
	for _, p := range waiting.Plans {
		fmt.Fprintf(c.Out, "%s  %s  %s\n", p.ID, p.At.Local().Format(timeFormat), printable(p.Summary))
		for _, why := range p.Why {
			fmt.Fprintf(c.Out, "    %s\n", printable(why))
		}
		if p.From != "" {
			fmt.Fprintf(c.Out, "    from %s %.12s\n", printable(p.From), printable(p.Commit))
		}
	}
	return nil
}

func (c *console) dropPending(cmd *cobra.Command, id, dir string, simulate bool) error {
	return c.during(cmd.Context(), dir, simulate, "approve", func(ctx context.Context, s *session) error {
		return s.DropPlan(ctx, id)
	})
}

// during runs a change of the record that needs no spec.
func (c *console) during(ctx context.Context, dir string, simulate bool, command string, do func(context.Context, *session) error) error {
	p := c.placeWithout(dir, simulate, command)
	if p.server == nil && !cluster.Exists(p.record()) {
		return fmt.Errorf("nothing was ever applied from %s", dir)
	}
	s, err := share(ctx, p, cluster.Options{}, reconcile.Options{})
	if err != nil {
		return err
	}
	defer s.close()
	return do(ctx, s)
}
