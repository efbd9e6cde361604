package simulation

import (
	"context"
	"log/slog"

	"github.com/novaplan/novaplan/cluster/state"
)

// sightings reads what controllers log: which pairs of sightings a migration's ends had, for the coverage
// of the recovery table; and, for a seed that is looked into, everything.
type sightings struct {
	sim    *simulation
	member string
	attrs  []slog.Attr
}

// sight is what the two ends of a migration looked like. Its operation tells which table it is looked up in.
type sight struct{ operation, source, destination string }

// cell is one cell of the recovery table.
type cell struct {
	kind                state.Kind
	source, destination string
}

// Enabled is true: debug lines carry the sightings.
func (h *sightings) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs keeps what tells an operation.
func (h *sightings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sightings{sim: h.sim, member: h.member, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup has nothing to do: nobody groups.
func (h *sightings) WithGroup(string) slog.Handler { return h }

// Handle takes in one line.
func (h *sightings) Handle(_ context.Context, r slog.Record) error {
	values := map[string]string{}
	for _, a := range h.attrs {
		values[a.Key] = a.Value.String()
	}
	r.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.String()
		return true
	})
	if r.Message == "looked at both ends" {
		h.sim.sighted(values["operation"], values["source"], values["destination"])
	}
	if r.Level >= slog.LevelInfo || h.sim.verbose != nil {
		h.sim.log("  %s: %s %v", h.member, r.Message, values)
	}
	return nil
}

// sighted counts.
func (s *simulation) sighted(operation, source, destination string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sights[sight{operation, source, destination}]++
}

// cells returns how often each cell of the recovery table was met.
func (s *simulation) cells() map[cell]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	cells := map[cell]int{}
	for x, n := range s.sights {
		cells[cell{s.kinds[x.operation], x.source, x.destination}] += n
	}
	return cells
}
