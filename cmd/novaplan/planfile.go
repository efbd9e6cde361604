package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// planFileFormat is the format of saved plans. They are for the same version of novaplan, so it
// changes whenever they do.
const planFileFormat = "novaplan-plan/1"

// planFile is a saved plan: what was seen, and the sealed spec that it was made of.
type planFile struct {
	Format   string           `json:"format"`
	Dir      string           `json:"dir"` // of the spec, absolute
	Simulate bool             `json:"simulate,omitempty"`
	Cluster  string           `json:"cluster"` // id of the record it was made for
	Request  wire.PlanRequest `json:"request"`
	Plan     *wire.Plan       `json:"plan"`
}

// save writes the plan for its owner only: sealed or not, it says a lot about the fleet.
func (p *planned) save(path string) error {
	dir, err := filepath.Abs(p.place.dir)
	if err != nil {
		return err
	}
	data, err := json.Marshal(planFile{
		Format: planFileFormat, Dir: dir, Simulate: p.place.simulate, Cluster: p.session.identity.Cluster,
		Request: p.request, Plan: p.plan,
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

// readPlanFile reads a saved plan.
func readPlanFile(path string) (*planFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := new(planFile)
	if err := json.Unmarshal(data, f); err != nil || f.Plan == nil {
		return nil, fmt.Errorf("%s is no saved plan; give a folder, or a file written by novaplan plan -out", path)
	}
	if f.Format != planFileFormat {
		return nil, errors.New(path + " was saved by another version of novaplan; plan again")
	}
	return f, nil
}
