package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
	"github.com/novaplan/novaplan/spec/watch"
)

// A spec that nobody watches over is evaluated by a child process: no expression in it, however it was meant, may
// take the memory or the time of what keeps the fleet. The child reads a request on its standard input and writes
// one document on its standard output. Both are pipes that nobody else has; the secrets in them are plain, and are
// sealed by the parent, which alone has the key.

// evaluationFormat is the format of an evaluation. Parent and child are one binary, so there is only one.
const evaluationFormat = "novaplan-evaluation/1"

// evaluationRequest is what the child has to know. The values of variables are in it and not on the command line
// or in the environment, which other processes see.
type evaluationRequest struct {
	Dir      string            `json:"dir"`
	Vars     map[string]string `json:"vars,omitempty"`
	VarFiles []string          `json:"var_files,omitempty"`
	Env      []string          `json:"env,omitempty"` // NOVAPLAN_VAR_x only
	Version  string            `json:"version,omitempty"`
	Color    bool              `json:"color,omitempty"`
	Width    int               `json:"width,omitempty"`
	Limits   evaluationLimits  `json:"limits"`
}

// evaluation is what became of a folder.
type evaluation struct {
	Format      string               `json:"format"`
	Spec        *wire.Spec           `json:"spec,omitempty"` // nil with an error among the diagnostics
	Diagnostics lang.DiagnosticsJSON `json:"diagnostics"`
	Text        string               `json:"text,omitempty"` // the diagnostics as people read them
	// Files are the digests of the spec and values files that were evaluated, by path in the folder; Reads those of
	// whatever else was read or looked for, by absolute path.
	Files map[string]watch.Sum `json:"files"`
	Reads map[string]watch.Sum `json:"reads,omitempty"`
}

func newEvaluate(c *console) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:    "evaluate -dir DIR",
		Short:  "Evaluate a folder for a parent process, within limits",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.evaluate(cmd.Context(), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the `DIR` of the spec, for who looks at processes; what counts is the request on standard input")
	return cmd
}

// maxRequest bounds a request in bytes: flags and values of variables.
const maxRequest = 16 << 20

func (c *console) evaluate(ctx context.Context, dir string) error {
	var req evaluationRequest
	if err := json.NewDecoder(io.LimitReader(c.In, maxRequest)).Decode(&req); err != nil {
		return fmt.Errorf("evaluate: request on standard input: %w", err)
	}
	if req.Dir != dir {
		return errors.New("evaluate is for novaplan itself; novaplan validate checks a spec")
	}
	if err := req.Limits.impose(); err != nil {
		return fmt.Errorf("evaluate: limits: %w", err)
	}
	doc, err := req.evaluate(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(c.Out).Encode(doc)
}

func (r *evaluationRequest) evaluate(ctx context.Context) (*evaluation, error) {
	folder, diags := lang.Load(ctx, r.Dir, lang.Options{
		Vars: r.Vars, VarFiles: r.VarFiles, Env: r.Env, Version: r.Version, Confined: true,
	})
	doc := &evaluation{
		Format: evaluationFormat, Diagnostics: lang.ToJSON(diags, folder.Files),
		Files: map[string]watch.Sum{}, Reads: map[string]watch.Sum{},
	}
	var text bytes.Buffer
	if err := lang.WriteText(&text, diags, folder.Files, lang.TextOptions{Color: r.Color, Width: r.Width}); err != nil {
		return nil, err
	}
	doc.Text = text.String()
	for name, f := range folder.Files {
		doc.Files[name] = watch.SumOf(f.Bytes)
	}
	for path, content := range folder.Reads() {
		doc.Reads[path] = watch.SumAt(path)
		if content != nil {
			doc.Reads[path] = watch.SumOf(content) // what was evaluated, whatever is there by now
		}
	}
	for _, path := range r.VarFiles {
		if abs, err := filepath.Abs(path); err == nil {
			doc.Reads[abs] = watch.SumAt(abs)
		}
	}
	if diags.HasErrors() {
		return doc, nil
	}
	eachSecret(folder.Spec, bare)
	var err error
	doc.Spec, err = api.EncodeSpec(folder.Spec)
	return doc, err
}

// bare puts a secret's text where a sealed one has the sealed text, so that it goes through the pipe.
func bare(s spec.Secret) spec.Secret {
	plain, set := s.Plain()
	if !set {
		return s
	}
	id := sha256.Sum256([]byte(plain))
	return spec.Secret{HMAC: id[:], Sealed: []byte(plain)}
}

// unbare is the inverse of bare.
func unbare(s spec.Secret) spec.Secret {
	if len(s.HMAC) == 0 {
		return s
	}
	return spec.NewSecret(string(s.Sealed))
}

// eachSecret replaces every secret of s, in place: instances and hosts are changed, what they share is copied.
func eachSecret(s *spec.Spec, f func(spec.Secret) spec.Secret) {
	for i := range s.Instances {
		s.Instances[i].UserData = f(s.Instances[i].UserData)
	}
	for i := range s.Hosts {
		if old := s.Hosts[i].Fence; old != nil {
			fresh := &spec.Fence{Agent: old.Agent, Options: maps.Clone(old.Options)}
			for name, secret := range fresh.Options {
				fresh.Options[name] = f(secret)
			}
			s.Hosts[i].Fence = fresh
		}
	}
}
