package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/spec/lang"
)

// A saved plan is one line that says what it is, and JSON. It is for the same version of novaplan, so the
// format changes whenever the JSON does.
const (
	planFilePrefix = "novaplan-plan/"
	planFileFormat = planFilePrefix + "3"
)

// planFile is a saved plan: what was seen, and the sealed spec that it was made of.
type planFile struct {
	Dir      string           `json:"dir"` // of the spec, absolute
	Simulate bool             `json:"simulate,omitempty"`
	Served   bool             `json:"served,omitempty"` // made by a server
	Cluster  string           `json:"cluster"`          // id of the record it was made for
	Request  wire.PlanRequest `json:"request"`
	Plan     *wire.Plan       `json:"plan"`

	Outputs lang.SavedOutputs `json:"outputs"` // shown when it is applied
}

// save writes the plan for its owner only: sealed or not, it says a lot about the fleet.
func (p *planned) save(path string) error {
	dir, err := filepath.Abs(p.place.dir)
	if err != nil {
		return err
	}
	data, err := json.Marshal(planFile{
		Dir: dir, Simulate: p.place.simulate, Served: p.session.remote, Cluster: p.session.identity.Cluster,
		Request: p.request, Plan: p.plan, Outputs: p.folder.SaveOutputs(),
	})
	if err != nil {
		return err
	}
	if err := replaceFile(path, append([]byte(planFileHead(data)), data...)); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

// replaceFile puts a file there whole or not at all, readable for its owner only, whatever file was there before.
func replaceFile(path string, content []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return fmt.Errorf("%s: %w", path, errorOf(err))
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error counts
	}
	return err
}

// planFileHead is the first line: the format, and a checksum of the rest.
func planFileHead(data []byte) string {
	return fmt.Sprintf("%s sha256:%x\n", planFileFormat, sha256.Sum256(data))
}

// readPlanFile reads a saved plan.
func readPlanFile(path string) (*planFile, error) {
	all, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	head, data, _ := bytes.Cut(all, []byte("\n"))
	f := new(planFile)
	switch format, _, _ := strings.Cut(string(head), " "); {
	case !strings.HasPrefix(format, planFilePrefix):
		return nil, fmt.Errorf("%s is no saved plan; give a folder, or a file written by novaplan plan -out", path)
	case format != planFileFormat:
		return nil, fmt.Errorf("%s was saved by another version of novaplan; plan again", path)
	case string(head)+"\n" != planFileHead(data), json.Unmarshal(data, f) != nil, f.Plan == nil:
		return nil, fmt.Errorf("%s is damaged: it isn't what novaplan plan -out wrote; plan again", path)
	}
	if _, err := os.Stat(f.Dir); err != nil {
		return nil, fmt.Errorf("%s was made for the spec in %s, which can't be reached: %w; plan again where the spec is now", path, f.Dir, errorOf(err))
	}
	return f, nil
}

// openSaved takes the record that a saved plan was made for. What the plan shows is what was seen then.
func (c *console) openSaved(ctx context.Context, path string, opts reconcile.Options, command string) (*planned, error) {
	f, err := readPlanFile(path)
	if err != nil {
		return nil, err
	}
	s, err := api.DecodeSpec(f.Request.Spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &planned{spec: s, request: f.Request, plan: f.Plan, place: place{dir: f.Dir, fleet: s.Fleet, simulate: f.Simulate, command: command}}
	if p.folder, err = lang.RestoreOutputs(ctx, f.Dir, s, f.Outputs); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Simulate {
		p.place.rewire(s)
	}
	if f.Served {
		p.place.server = c.server()
	}
	if p.session, err = take(ctx, p.place, cluster.Options{Fleet: s.Fleet, ID: f.Cluster}, opts); err != nil {
		return nil, err
	}
	if id := p.session.identity.Cluster; id != f.Cluster {
		_ = p.session.close()
		return nil, fmt.Errorf("%s was made for another record (cluster %s, this one is %s); plan again", path, f.Cluster, id)
	}
	return p, nil
}

// checkSaved refuses flags that would have to change a saved plan.
func checkSaved(cmd *cobra.Command) error {
	for _, name := range []string{"target", "exclude", "destroy", "allow-partial", "simulate", "var", "var-file"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return usage(cmd, fmt.Sprintf("-%s doesn't go with a saved plan, which is carried out as it is; give it to novaplan plan -out", name))
		}
	}
	return nil
}
