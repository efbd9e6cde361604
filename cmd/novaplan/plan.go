package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
)

// planFlags are the flags that plan, apply and destroy have in common.
type planFlags struct {
	specFlags
	target, exclude []string
	destroy         bool
	partial         bool
	concise         bool
	output          string
	json            bool
}

func (f *planFlags) add(cmd *cobra.Command) {
	f.addSimulate(cmd)
	cmd.Flags().StringArrayVar(&f.target, "target", nil, "only `ADDRESS` and what it needs; again for more")
	cmd.Flags().StringArrayVar(&f.exclude, "exclude", nil, "everything but `ADDRESS` and what can't be without it; again for more")
	cmd.Flags().BoolVar(&f.partial, "allow-partial", false, "do what can be done of a drain that can't be completed")
	cmd.Flags().BoolVar(&f.concise, "concise", false, "without details and reasons")
	cmd.Flags().StringVarP(&f.output, "o", "o", "text", "text or wide: one row for each change")
	cmd.Flags().BoolVar(&f.json, "json", false, "as JSON on standard output, see docs/plan-schema.md")
}

func (f *planFlags) options() wire.Options {
	return wire.Options{AllowPartial: f.partial, Target: f.target, Exclude: f.exclude, Destroy: f.destroy}
}

// check finds mistakes in the flags before anything is loaded.
func (f *planFlags) check(cmd *cobra.Command) error {
	if f.output != "text" && f.output != "wide" {
		return usage(cmd, fmt.Sprintf("-o %s: want text or wide", f.output))
	}
	for _, list := range [][]string{f.target, f.exclude} {
		for i, a := range list {
			whole := strings.TrimSuffix(a, "[*]") // as plans write all of a block
			address, err := spec.ParseAddress(requote(whole))
			if err != nil {
				return usage(cmd, err.Error())
			}
			list[i] = string(address)
		}
	}
	return nil
}

func newPlan(c *console) *cobra.Command {
	var flags planFlags
	var out string
	var detailed bool
	cmd := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "Show what would be done, and why",
		Long: `Plan loads the spec, looks at the hosts, and shows what apply would do, in which order of urgency: what is
blocked, terminations, interruptions, moves, creations. Nothing is changed.

Signs: + create   - terminate   ~ change   !~ restart   -> live-migrate   !> cold-migrate   !!> evacuate
       . forget   ! means that the guest is interrupted.`,
		Example: `  novaplan plan
  novaplan plan -out fleet.plan && novaplan apply fleet.plan
  novaplan plan -simulate -var 'drain=["b3"]'   # what if, on simulated hosts
  novaplan plan -detailed-exitcode               # 0 nothing to do, 1 error, 2 changes`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			use := keyToLook
			if out != "" {
				use = keyToKeep
			}
			p, err := c.makePlan(cmd.Context(), folderOf(args), &flags, use)
			if err != nil {
				return err
			}
			defer p.session.close()
			if p.keyLost {
				c.warnKeyLost(p.session.identity)
			}
			if out != "" {
				if err := p.save(out); err != nil {
					return err
				}
			}
			if err := c.showPlan(p.plan, &flags, p.parallel()); err != nil {
				return err
			}
			if out != "" {
				c.note("\nSaved. To carry out exactly this: novaplan apply %s", out)
			}
			return planCode(p.plan, detailed)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&flags.destroy, "destroy", false, "plan to terminate everything in the spec")
	cmd.Flags().StringVar(&out, "out", "", "save the plan to `FILE`, for apply")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit code 0: nothing to do, 1: error, 2: changes")
	return cmd
}

// planCode is the exit code of a plan: one that is blocked is an error.
func planCode(p *wire.Plan, detailed bool) error {
	switch {
	case p.Blocked():
		return exit(exitError)
	case detailed && !p.Empty():
		return exit(exitChanges)
	}
	return nil
}

// planned is a plan with all that is needed to apply it.
type planned struct {
	session *session
	folder  *lang.Folder // of a saved plan: its outputs only
	spec    *spec.Spec   // sealed; nil with a saved plan
	request wire.PlanRequest
	plan    *wire.Plan
	place   place
	keyLost bool // secrets were sealed with a key that isn't here
}

// makePlan loads, reaches the controller and asks for the plan. The caller closes the session.
func (c *console) makePlan(ctx context.Context, dir string, flags *planFlags, use keyUse) (*planned, error) {
	p, err := c.prepare(ctx, dir, &flags.specFlags, "plan")
	if err != nil {
		return nil, err
	}
	if p.session, err = reach(ctx, p.place); err != nil {
		return nil, err
	}
	return p, c.asked(ctx, p, flags.options(), use)
}

// prepare loads the spec of a folder and finds out where its record is.
func (c *console) prepare(ctx context.Context, dir string, flags *specFlags, command string) (*planned, error) {
	folder, err := flags.load(ctx, c, dir)
	if err != nil {
		return nil, err
	}
	p := &planned{folder: folder, spec: folder.Spec}
	if p.place, err = placeOf(dir, folder.Spec, flags.simulate, command); err != nil {
		return nil, err
	}
	if p.place.simulate {
		p.place.rewire(p.spec)
	}
	if !flags.simulate {
		p.place.server = c.server()
	}
	return p, nil
}

// asked gets the plan and checks what it needs from here. A failure closes the session.
func (c *console) asked(ctx context.Context, p *planned, opts wire.Options, use keyUse) error {
	if err := p.ask(ctx, opts, use); err != nil {
		return err
	}
	err := c.checkImages(ctx, p)
	if err != nil {
		_ = p.session.close()
	}
	return err
}

// ask seals the spec and gets the plan. A failure closes the session.
func (p *planned) ask(ctx context.Context, opts wire.Options, use keyUse) error {
	if opts.Destroy {
		use = keyToLook // what goes needs no secrets
	}
	err := p.send(ctx, use)
	if err == nil {
		p.request.Options = opts
		p.plan, err = p.session.Plan(ctx, p.request)
	}
	if err != nil {
		_ = p.session.close()
	}
	return err
}

// send puts the sealed spec into the request.
func (p *planned) send(ctx context.Context, use keyUse) error {
	if err := p.session.sameFleet(p.spec.Fleet); err != nil {
		return err
	}
	var err error
	if p.session.remote {
		err = p.session.sealThere(ctx, p.spec)
	} else {
		p.keyLost, err = sealSecrets(p.spec, p.session.identity, use)
	}
	if err != nil {
		return err
	}
	encoded, err := api.EncodeSpec(p.spec)
	p.request.Spec = encoded
	return err
}

// parallel is how much migrates at once.
func (p *planned) parallel() int {
	if p.spec == nil {
		return 0
	}
	if n := p.spec.Migration.ParallelTotal; n > 0 {
		return n
	}
	return state.DefaultParallelTotal
}

// showPlan writes a plan as it was asked for.
func (c *console) showPlan(p *wire.Plan, flags *planFlags, parallel int) error {
	w := bufio.NewWriterSize(c.Out, 64<<10)
	var err error
	if flags.json {
		err = json.NewEncoder(w).Encode(p)
	} else {
		err = render.Plan(w, p, render.Options{
			Palette: c.palette(c.Out), Wide: flags.output == "wide", Concise: flags.concise, Parallel: parallel,
			Chosen: len(flags.target)+len(flags.exclude) > 0,
		})
	}
	if err != nil {
		return err
	}
	return w.Flush()
}
