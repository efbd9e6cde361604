package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

// timeFormat is how the history shows when something was.
const timeFormat = "2006-01-02 15:04:05"

func newHistory(c *console) *cobra.Command {
	var simulate, all, asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "history [DIR]",
		Short: "Show who changed what, when, and from which commit",
		Long: `History lists the revisions of the spec that are kept, the newest last; with -all every event: operations, hosts,
logins, tokens.`,
		Example: `  novaplan history
  novaplan history -all -limit 500
  novaplan history -json | jq '.revisions[] | select(.by == "alice")'`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usage(cmd, fmt.Sprintf("-limit %d: want 1 or more", limit))
			}
			s, err := c.visitRecord(cmd.Context(), folderOf(args), simulate, "history")
			if err != nil {
				return err
			}
			defer s.close()
			if all {
				h, err := s.History(cmd.Context(), limit)
				if err != nil {
					return err
				}
				return c.showEvents(h, asJSON)
			}
			revs, err := s.Revisions(cmd.Context())
			if err != nil {
				return err
			}
			revs.Revisions = revs.Revisions[max(0, len(revs.Revisions)-limit):]
			return c.showRevisions(revs, asJSON)
		},
	}
	cmd.Flags().BoolVar(&simulate, "simulate", false, "of the folder's simulation")
	cmd.Flags().BoolVar(&all, "all", false, "every event, not only revisions")
	cmd.Flags().IntVar(&limit, "limit", 100, "the newest so many")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}

func (c *console) showRevisions(revs *wire.Revisions, asJSON bool) error {
	if asJSON {
		return writeJSON(c.Out, revs)
	}
	var t render.Table
	t.Row("REVISION", "WHEN", "BY", "COMMIT", "MESSAGE")
	for _, r := range revs.Revisions {
		number := fmt.Sprint(r.Number)
		if r.InForce {
			number += " *"
		}
		t.Row(number, r.At.Local().Format(timeFormat), printable(r.By), printable(fmt.Sprintf("%.12s", r.Commit)), printable(r.Message))
	}
	_, err := fmt.Fprint(c.Out, t.String())
	return err
}

func (c *console) showEvents(h *wire.History, asJSON bool) error {
	if asJSON {
		return writeJSON(c.Out, h)
	}
	var t render.Table
	t.Row("EVENT", "WHEN", "KIND", "WHAT", "BY", "FROM")
	for _, e := range h.Events {
		t.Row(fmt.Sprint(e.Seq), e.At.Local().Format(timeFormat), printable(e.Kind), eventText(&e), printable(e.By), printable(e.From))
	}
	_, err := fmt.Fprint(c.Out, t.String())
	return err
}

func eventText(e *wire.HistoryEvent) string {
	if e.Address != "" && !strings.Contains(e.Message, e.Address) {
		return printable(e.Address + ": " + e.Message)
	}
	return printable(e.Message)
}

// printable takes out what would control a terminal: others wrote it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func newDiff(c *console) *cobra.Command {
	var simulate, asJSON bool
	cmd := &cobra.Command{
		Use:   "diff REVISION REVISION [DIR]",
		Short: "Show what two revisions of the spec say differently",
		Long: `Diff compares two kept revisions block by block and attribute by attribute. Of a secret it only says that it
changed.`,
		Example: "  novaplan diff 11 12",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage(cmd, "diff wants two numbers of revisions; novaplan history lists them")
			}
			return atMost(3, "two revisions and a folder")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := revisionNumber(cmd, args[0])
			if err != nil {
				return err
			}
			to, err := revisionNumber(cmd, args[1])
			if err != nil {
				return err
			}
			s, err := c.visitRecord(cmd.Context(), folderOf(args[2:]), simulate, "diff")
			if err != nil {
				return err
			}
			defer s.close()
			d, err := s.Diff(cmd.Context(), from, to)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.Out, d)
			}
			return c.showDifference(d)
		},
	}
	cmd.Flags().BoolVar(&simulate, "simulate", false, "of the folder's simulation")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}

func (c *console) showDifference(d *wire.Difference) error {
	if len(d.Blocks) == 0 {
		c.note("Revisions %d and %d say the same.", d.From, d.To)
	}
	signs := map[string]string{"added": "+", "removed": "-", "changed": "~"}
	for _, b := range d.Blocks {
		if _, err := fmt.Fprintf(c.Out, "%s %s %s\n", signs[b.Change], b.Address, b.Change); err != nil {
			return err
		}
		for _, a := range b.Attributes {
			if _, err := fmt.Fprintf(c.Out, "    %s: %s -> %s\n", a.Name, orNone(printable(a.Old)), orNone(printable(a.New))); err != nil {
				return err
			}
		}
	}
	return nil
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

func newEvents(c *console) *cobra.Command {
	var simulate, asJSON, progress bool
	var after int64
	cmd := &cobra.Command{
		Use:   "events [DIR]",
		Short: "Follow what happens, until Ctrl-C",
		Long: `Events shows what happens as it happens: revisions, operations, hosts, logins. Each event of the history has a
number; -after goes on where somebody stopped, without a gap or a repetition, also when the leader changes.`,
		Example: `  novaplan events
  novaplan events -after 812 -json`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, err := c.visitRecord(ctx, folderOf(args), simulate, "events")
			if err != nil {
				return err
			}
			defer s.close()
			if s.local != nil {
				return &wire.Error{
					Code: api.CodeFailed, Message: "nothing happens here: no novaplan works on this folder",
					Detail: []string{"novaplan history -all shows what happened. Events are for a server, or while an apply runs."},
				}
			}
			if after < 0 {
				h, err := s.History(ctx, 1)
				if err != nil {
					return err
				}
				after = int64(h.Newest)
			}
			err = s.Events(ctx, uint64(after), progress,
				func(e wire.HistoryEvent) error { return c.showEvent(&e, asJSON) },
				func(e wire.Event) error { return c.showStep(&e, asJSON) })
			if ctx.Err() != nil {
				return nil // that is how it ends
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&simulate, "simulate", false, "of the folder's simulation")
	cmd.Flags().Int64Var(&after, "after", -1, "begin after the event with this number; -1: now")
	cmd.Flags().BoolVar(&progress, "progress", false, "also how far operations are")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func (c *console) showEvent(e *wire.HistoryEvent, asJSON bool) error {
	if asJSON {
		return writeLine(c.Out, e)
	}
	by := ""
	if e.By != "" {
		by = "  by " + printable(e.By)
	}
	_, err := fmt.Fprintf(c.Out, "%d  %s  %s  %s%s\n", e.Seq, e.At.Local().Format(timeFormat), e.Kind, eventText(e), by)
	return err
}

func (c *console) showStep(e *wire.Event, asJSON bool) error {
	if asJSON {
		return writeLine(c.Out, e)
	}
	if e.Operation == nil || e.Step == "" {
		return nil
	}
	_, err := fmt.Fprintf(c.Out, "-  %s  progress  %s: %s\n", e.At.Local().Format(timeFormat), words{}.subject(e.Operation), e.Step)
	return err
}
