package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// debugHistory is how many lines of the history go into a bundle.
const debugHistory = 1000

func newDebug(c *console) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Collect what helps to find out what is wrong, without secrets",
		Long: `Debug asks a server for all that may explain its behaviour and writes one file: members, status, operations, history,
settings, metrics, and on the server's own machine its goroutines and memory. Secrets aren't in it, not even sealed; names and
addresses of hosts and instances are. What a server can't answer is noted in the bundle.`,
		Example: "  novaplan operator debug -out debug.tar.gz",
		Args:    atMost(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.atOperator(cmd, func(s *session) error {
				path := file
				if path == "" {
					path = "novaplan-debug-" + time.Now().UTC().Format("20060102-150405") + ".tar.gz"
				}
				missing, err := s.bundle(cmd.Context(), path)
				if err != nil {
					return err
				}
				for _, m := range missing {
					c.note("Not in it: %s", m)
				}
				_, err = fmt.Fprintf(c.Out, "Wrote %s. Look through it before you send it: it names your hosts and instances.\n", path)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&file, "out", "", "write `FILE` (default novaplan-debug-TIME.tar.gz)")
	return cmd
}

// bundle writes all that a server tells of itself. It returns what it didn't.
func (s *session) bundle(ctx context.Context, path string) (missing []string, err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	packed := gzip.NewWriter(out)
	archive := tar.NewWriter(packed)
	for _, part := range s.parts() {
		data, failed := part.read(ctx)
		if failed != nil {
			missing = append(missing, part.name+": "+failed.Error())
			continue
		}
		if err := addPart(archive, part.name, data); err != nil {
			return missing, err
		}
	}
	var notes bytes.Buffer
	for _, m := range missing {
		fmt.Fprintln(&notes, m)
	}
	return missing, errors.Join(addPart(archive, "missing.txt", notes.Bytes()), archive.Close(), packed.Close())
}

func addPart(archive *tar.Writer, name string, data []byte) error {
	if err := archive.WriteHeader(&tar.Header{Name: "novaplan-debug/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: time.Now()}); err != nil {
		return err
	}
	_, err := archive.Write(data)
	return err
}

// part is a file of the bundle.
type part struct {
	name string
	read func(context.Context) ([]byte, error)
}

// asked is a part that the API answers in wire's types: what isn't in them can't get into the bundle.
func asked[T any](name string, call func(context.Context) (T, error)) part {
	return part{name, func(ctx context.Context) ([]byte, error) {
		v, err := call(ctx)
		if err != nil {
			return nil, err
		}
		return json.MarshalIndent(v, "", "  ")
	}}
}

// raw is a part that is text.
func (s *session) raw(name, path string) part {
	return part{name, func(ctx context.Context) ([]byte, error) {
		var b bytes.Buffer
		err := s.Text(ctx, path, &b)
		return b.Bytes(), err
	}}
}

func (s *session) parts() []part {
	return []part{
		{"version.txt", func(context.Context) ([]byte, error) { return fmt.Appendf(nil, "client %s %s\n", version, commit), nil }},
		asked("identity.json", s.Identity),
		asked("members.json", s.Members),
		asked("status.json", func(ctx context.Context) (*wire.Status, error) { return s.Status(ctx, wire.StatusRequest{}) }),
		asked("operations.json", s.Operations),
		asked("history.json", func(ctx context.Context) (*wire.History, error) { return s.History(ctx, debugHistory) }),
		asked("revisions.json", s.Revisions),
		asked("pending.json", s.PendingPlans),
		asked("settings.json", s.Settings),
		s.raw("metrics.txt", "/metrics"),
		s.raw("ready.txt", "/readyz"),
		s.raw("goroutines.txt", "/debug/pprof/goroutine?debug=1"),
		s.raw("heap.txt", "/debug/pprof/heap?debug=1"),
	}
}
