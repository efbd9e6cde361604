package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
	"github.com/novaplan/novaplan/spec/watch"
)

// watchFlags are the flags of watch.
type watchFlags struct {
	specFlags
	auto     string
	count    int
	percent  float64
	parallel int
	quiet    time.Duration
	limits   evaluationLimits
}

func newWatch(c *console) *cobra.Command {
	flags := watchFlags{limits: defaultEvaluation}
	cmd := &cobra.Command{
		Use:   "watch [DIR]",
		Short: "Apply the spec whenever it is saved",
		Long: `Watch applies the spec in a folder whenever it is saved and settled: editors may rename, git may check out hundreds
of files, a mount may come and go. A spec with mistakes changes nothing: the last good one stays in force. So does
an empty folder; only novaplan destroy ends what was applied.

What goes without a question is set by -auto-apply: safe (the default) is everything but what terminates, rebuilds,
restarts or interrupts a guest; all is everything; none is nothing. More than -max-changes or -max-percent of the
instances, whichever is more, are never changed without a question, whatever the setting; creations and drains don't
count. What waits for an answer is shown: type yes to do it, or save something else.

A save while an earlier one is being carried out takes its place: what was not begun is withdrawn, what runs is
finished. Ctrl-C ends it as it ends apply.`,
		Example: `  novaplan watch
  novaplan watch -auto-apply none        # shows a plan at every save, and asks
  novaplan watch -simulate               # on simulated hosts`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			return newWatching(c, folderOf(args), &flags).run(cmd.Context())
		},
	}
	flags.addSimulate(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.auto, "auto-apply", string(planner.AutoSafe), "what goes without a question: all, safe or none")
	f.IntVar(&flags.count, "max-changes", planner.DefaultCapCount, "instances that may be changed without a question")
	f.Float64Var(&flags.percent, "max-percent", 100*planner.DefaultCapShare, "the same, as a share of all instances; the larger one counts")
	f.IntVar(&flags.parallel, "parallelism", 10, "operations at once, within the spec's own limits")
	f.DurationVar(&flags.quiet, "debounce", watch.DefaultQuiet, "how long nothing must happen in the folder before it is read")
	f.IntVar(&flags.limits.MemoryMiB, "max-memory", flags.limits.MemoryMiB, "memory for evaluating the spec, in MiB")
	f.IntVar(&flags.limits.CPUSeconds, "max-cpu", flags.limits.CPUSeconds, "CPU time for evaluating the spec, in seconds")
	return cmd
}

func (f *watchFlags) check(cmd *cobra.Command) error {
	switch planner.AutoApply(f.auto) {
	case planner.AutoAll, planner.AutoSafe, planner.AutoNone:
	default:
		return usage(cmd, fmt.Sprintf("-auto-apply %s: want all, safe or none", f.auto))
	}
	switch {
	case f.parallel < 1:
		return usage(cmd, fmt.Sprintf("-parallelism %d: want 1 or more", f.parallel))
	case f.count < 0:
		return usage(cmd, fmt.Sprintf("-max-changes %d: want 0 or more", f.count))
	case f.percent < 0 || f.percent > 100:
		return usage(cmd, fmt.Sprintf("-max-percent %v: want a number from 0 to 100", f.percent))
	case f.limits.MemoryMiB < 16 || f.limits.CPUSeconds < 1:
		return usage(cmd, "-max-memory and -max-cpu: want at least 16 MiB and 1 second")
	}
	return nil
}

func (f *watchFlags) policy() planner.Policy {
	p := planner.Policy{Auto: planner.AutoApply(f.auto)}
	p.Cap.Count, p.Cap.Share = f.count, f.percent/100
	return p
}

// isSpecFile tells what Load reads in a folder. What has such a name and isn't a file is a mistake, and Load says so.
func isSpecFile(name string) bool {
	for _, suffix := range []string{lang.SpecSuffix, lang.SpecJSONSuffix, lang.VarsSuffix, lang.VarsJSONSuffix} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

func newWatching(c *console, dir string, flags *watchFlags) *watching {
	own := *c
	own.Err = &stamped{w: c.Err}
	w := &watching{c: &own, dir: dir, flags: flags, retry: newBackoff(), answers: newAnswers(c.In)}
	w.lines = &lines{w: own.Err, paint: c.palette(c.Err), begun: map[string]bool{}, started: map[string]time.Time{}}
	w.folder = &folderReader{
		watcher: watch.New(dir, watch.Options{Match: isSpecFile, Quiet: flags.quiet, Notice: func(text string) { own.note("%s", text) }}),
		evaluate: func(ctx context.Context) (*evaluation, *spec.Spec, error) {
			return flags.evaluateApart(ctx, &own, dir, flags.limits)
		},
		say:    own.note,
		report: func(doc *evaluation) { fmt.Fprint(own.Err, doc.Text) },
	}
	w.connect = func(ctx context.Context, p place) (*session, error) {
		return take(ctx, p, cluster.Options{Fleet: p.fleet}, reconcile.Options{Parallelism: flags.parallel})
	}
	return w
}

// run watches until it is interrupted.
func (w *watching) run(ctx context.Context) error {
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	base, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	w.base = base
	defer w.close()
	go func() { _ = w.folder.watcher.Run(base) }() // a file system that hangs must not hold us up
	w.c.note("Watching %s. Ctrl-C ends it.", w.folderName())
	return w.loop(ctx, w.folder.watcher.Folders(), signals, leave)
}

// folderName is the folder as others know it.
func (w *watching) folderName() string {
	if abs, err := filepath.Abs(w.dir); err == nil {
		return abs
	}
	return w.dir
}

// loop takes in what happens, one thing after the other. The first signal ends ctx, too.
func (w *watching) loop(ctx context.Context, folders <-chan watch.Folder, signals <-chan os.Signal, leave func()) error {
	for presses := 0; ; {
		select {
		case <-signals:
			presses++
			folders = nil
			if w.work == nil || presses > 2 {
				return w.left()
			}
			w.work.job.interrupt(w.base, presses, leave)
		case folder := <-folders:
			w.changed(ctx, folder)
		case <-w.work.finished():
			w.settled(ctx, presses > 0)
			if presses > 0 {
				return w.left()
			}
		case answer := <-w.answers.lines:
			w.answered(answer)
		case <-w.decided():
			w.looked(ctx)
		case <-w.retry.timer.C:
			w.again(ctx)
		}
	}
}

// left is how watching ends: cleanly, when nothing was cut off.
func (w *watching) left() error {
	if w.work != nil || w.cutOff {
		return exit(exitInterrupted)
	}
	w.c.note("No longer watching.")
	return nil
}
