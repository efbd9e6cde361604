package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

// saveFile writes a file whole or not at all, for its owner only; it is checked before it counts.
func saveFile(path string, force bool, write func(io.Writer) error) (info cluster.SnapshotInfo, err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return info, fmt.Errorf("%s exists already: name another file, or use -force", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".snapshot-*") // mode 0600
	if err != nil {
		return info, err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := write(tmp); err != nil {
		return info, err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return info, err
	}
	if info, err = cluster.InspectSnapshot(tmp); err != nil {
		return info, fmt.Errorf("what came isn't whole: %w", err)
	}
	return info, errors.Join(tmp.Sync(), os.Rename(tmp.Name(), path))
}

func newSnapshotSave(c *console) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "save FILE",
		Short: "Save the record",
		Long: `Save writes the whole record to a file that sha256sum -c understands when it is unpacked. Secrets are in it sealed only:
keep secrets_key elsewhere.`,
		Example: "  novaplan operator snapshot save fleet.snapshot",
		Args:    exactly("the file to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.atOperator(cmd, func(s *session) error {
				info, err := saveFile(args[0], force, func(w io.Writer) error { return s.SaveSnapshot(cmd.Context(), w) })
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.Out, "Saved %s: fleet %s, revision %d, %s, index %d.\n",
					args[0], info.Fleet, info.Revision, render.Count(info.Instances, "instance"), info.Index)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that exists")
	return cmd
}

func newSnapshotRestore(c *console) *cobra.Command {
	var approve bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a saved record in the present one's place",
		Long: `Restore replaces the record on all servers. What was applied since it was saved is forgotten, not undone: guests that
came since run on, and the next plan shows them. To begin new servers with a saved record, use novaplan server -restore.`,
		Example: "  novaplan operator snapshot restore fleet.snapshot",
		Args:    exactly("the file to read"),
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			info, err := cluster.InspectSnapshot(strings.NewReader(string(archive)))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return c.atOperator(cmd, func(s *session) error {
				if !approve && !c.confirm("Replace the record of fleet %s by that of %s, saved %s? Type yes to go on: ",
					s.identity.Fleet, info.Fleet, info.Created.Format(time.DateTime)) {
					return exit(exitError)
				}
				if err := s.RestoreSnapshot(cmd.Context(), archive); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.Out, "Restored: fleet %s, revision %d, %s. novaplan plan shows what differs.\n",
					info.Fleet, info.Revision, render.Count(info.Instances, "instance"))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&approve, "auto-approve", false, "don't ask")
	return cmd
}

// confirm asks for a yes.
func (c *console) confirm(question string, args ...any) bool {
	fmt.Fprintf(c.Err, question, args...)
	var answer string
	_, err := fmt.Fscanln(c.In, &answer)
	if err != nil && answer == "" {
		c.note("%s", noAnswer)
	}
	if answer == "yes" {
		return true
	}
	c.note("Nothing was changed.")
	return false
}

func newSnapshotInspect(c *console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "inspect FILE",
		Short:   "Check a saved record and say what is in it",
		Example: "  novaplan operator snapshot inspect fleet.snapshot",
		Args:    exactly("the file to read"),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			info, err := cluster.InspectSnapshot(file)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				return writeJSON(c.Out, info)
			}
			return showSnapshot(c.Out, info)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}

func showSnapshot(out io.Writer, info cluster.SnapshotInfo) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what string, value any) { fmt.Fprintf(w, "%s\t%v\n", what, value) }
	line("fleet", info.Fleet)
	line("cluster", info.ClusterID)
	line("mode", info.Mode)
	line("saved", info.Created.Format(time.DateTime)+" UTC")
	if info.By != "" {
		line("by", info.By)
	}
	line("revision", info.Revision)
	line("hosts", info.Hosts)
	line("instances", info.Instances)
	line("operations", info.Operations)
	line("index, term", fmt.Sprintf("%d, %d", info.Index, info.Term))
	line("level", info.Level)
	line("sha256", info.SHA256)
	return w.Flush()
}

func newMove(c *console) *cobra.Command {
	var to, file string
	cmd := &cobra.Command{
		Use:   "move [DIR] -to ADDRESS -out FILE",
		Short: "Move the record of a folder to servers",
		Long: `Move saves the record that is kept beside a spec, and closes it for good: commands there name the servers afterwards
instead of changing anything. Start the first server with novaplan server -restore FILE; guests run on untouched. The key of the
folder's secrets, if it has any, becomes the servers' secrets_key.

To take it back before a server was started, remove the file "moved" in .novaplan.`,
		Example: "  novaplan operator move -to https://alpha.example.org:8440 -out fleet.snapshot",
		Args:    atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" || file == "" {
				return usage(cmd, "say where to: -to ADDRESS of the servers, and -out FILE for the record")
			}
			p := c.placeWithout(folderOf(args), false, "operator move")
			node, err := cluster.Open(cmd.Context(), p.record(), cluster.Options{})
			if err != nil {
				return explainOpen(err, p, true)
			}
			defer node.Close()
			info, err := saveFile(file, false, func(w io.Writer) error {
				_, err := node.Move(cmd.Context(), to, w)
				return err
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "Moved fleet %s, %s, to %s.\nNext: novaplan server -config server.hcl -restore %s\n",
				info.Fleet, render.Count(info.Instances, "instance"), file, file)
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`ADDRESS` of the servers, for who comes to this folder")
	cmd.Flags().StringVar(&file, "out", "", "`FILE` for the record")
	return cmd
}
