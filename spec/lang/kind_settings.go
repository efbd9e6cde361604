package lang

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"

	"github.com/novaplan/novaplan/spec"
)

// The blocks that have no address: novaplan, scheduler, migration, moved, removed.

var settingsTable = (&table[spec.Spec]{
	kindName: "novaplan",
	doc:      "What this folder is. All of it may be left out for a first try.",
	single:   true,
	fields: []field[spec.Spec]{
		textField("fleet", func(s *spec.Spec) *string { return &s.Fleet }).or(`"default"`).is("claimed on hosts; no other fleet can touch them").
			checked(func(a *arg, s *spec.Spec) { a.checkSettingName(s.Fleet) }),
		textField("stack", func(s *spec.Spec) *string { return &s.Stack }).or(`"default"`).is("owner of these blocks within the fleet").
			checked(func(a *arg, s *spec.Spec) { a.checkSettingName(s.Stack) }),
		textField("required_version", func(s *spec.Spec) *string { return &s.RequiredVersion }).is("which versions of novaplan may read this: \">= 0.1\""),
	},
}).built("novaplan block")

func (a *arg) checkSettingName(s string) {
	if !isWord(s) || len(s) > 63 {
		a.invalid("%s has letters, digits, -, _ and ., at most 63, this is %q.", a.name, s)
	}
}

// checkVersion refuses a folder that wants another version of novaplan.
func (a *arg) checkVersion(constraint, have string) {
	c, err := version.NewConstraint(constraint)
	if err != nil {
		a.invalid("%q isn't a version constraint such as \">= 0.1\".", constraint)
		return
	}
	v, err := version.NewVersion(have)
	if err != nil {
		return // a build without a version
	}
	if !c.Check(v.Core()) {
		a.fail("Another version of novaplan is required", "The folder requires %s, this is %s.", constraint, have)
	}
}

var schedulerFilters = []string{
	"retry", "availability_zone", "ram", "disk", "core", "compute", "compute_capabilities", "image_properties",
	"server_group_affinity", "server_group_anti_affinity", "same_host", "different_host",
	"aggregate_instance_extra_specs", "io_ops", "num_instances",
}

var schedulerWeighers = []string{"ram", "cpu", "disk", "io_ops", "soft_affinity", "soft_anti_affinity", "build_failure"}

type weigher struct{ multiplier float64 }

// maxMultiplier keeps sums of weights where a float tells them apart.
const maxMultiplier = 1e12

var weigherTable = (&table[weigher]{
	single: true,
	fields: []field[weigher]{
		newField("multiplier", "number", func(a *arg, w *weigher) {
			f, ok := a.float()
			if ok && math.Abs(f) > maxMultiplier {
				a.invalid("A multiplier is from -1e12 to 1e12, this is %g.", f)
				return
			}
			w.multiplier = f
		}).must().is("what its normalised weight counts; negative turns it around"),
	},
	later: map[string]string{
		"condition": "weighers written in the spec", "value": "weighers written in the spec", "weight": "weighers written in the spec",
		"score": "weighers written in the spec", "expression": "weighers written in the spec",
	},
}).built("weigher block")

var schedulerTable = (&table[spec.Scheduler]{
	kindName: "scheduler",
	doc:      "The placement policy of the fleet.",
	single:   true,
	fields: append([]field[spec.Scheduler]{
		enumField("preset", []string{"nova"}, nil, func(s *spec.Scheduler) *string { return &s.Preset }).or("novaplan's own").is("\"nova\" is the classic set: eight filters and the ram weigher"),
		newField("filters", "list of filter names", setFilters).or("the preset's").is("which filters are in force"),
		intField("max_io_ops_per_host", 1, 1<<20, func(s *spec.Scheduler) *int { return &s.MaxIOOps }).or("8").is("builds and migrations at once on a host"),
		intField("max_instances_per_host", 1, 1<<20, func(s *spec.Scheduler) *int { return &s.MaxInstances }).or("50").is("instances on a host"),
	}, ratioFields(func(s *spec.Scheduler) *spec.Ratios { return &s.Ratios })...),
	nested: []nested[spec.Scheduler]{
		nest(blockInfo{name: "weigher", labelled: true, strict: true, doc: "what a weigher counts; the label is its name"}, weigherTable, nil,
			func(s *spec.Scheduler) { s.Multipliers = nil }, addWeigher),
	},
	later: map[string]string{"filter": "filters written in the spec"},
}).built("scheduler block")

func setFilters(a *arg, s *spec.Scheduler) {
	list, ok := a.textList()
	if !ok {
		return
	}
	var wrong []string
	for _, f := range list {
		if !slices.Contains(schedulerFilters, f) {
			wrong = append(wrong, fmt.Sprintf("There is no filter %q.%s", f, didYouMean(f, schedulerFilters)))
		}
	}
	if len(wrong) > 0 {
		a.invalid("%s The filters are %s.", strings.Join(wrong, " "), allOf(schedulerFilters))
		return
	}
	s.Filters = append([]string{}, list...)
}

func addWeigher(a *arg, s *spec.Scheduler, label string, w weigher) {
	if !slices.Contains(schedulerWeighers, label) {
		a.ev.errorOnce(a.rng, "Unknown weigher", "There is no weigher \""+label+"\"."+didYouMean(label, schedulerWeighers)+" The weighers are "+allOf(schedulerWeighers)+".")
		return
	}
	if _, ok := s.Multipliers[label]; ok {
		a.ev.errorOnce(a.rng, "Duplicate weigher", "The weigher \""+label+"\" is written twice.")
		return
	}
	if s.Multipliers == nil {
		s.Multipliers = map[string]float64{}
	}
	s.Multipliers[label] = w.multiplier
}

var migrationTable = (&table[spec.Migration]{
	kindName: "migration",
	doc:      "How much moves at once.",
	single:   true,
	fields: []field[spec.Migration]{
		intField("parallel_per_host", 1, 1000, func(m *spec.Migration) *int { return &m.ParallelPerHost }).or("2").is("migrations in flight at either end"),
		intField("parallel_total", 1, 10000, func(m *spec.Migration) *int { return &m.ParallelTotal }).or("8").is("migrations in flight in all"),
		intField("bandwidth", 1, 1<<20, func(m *spec.Migration) *int { return &m.BandwidthMiBps }).or("no limit").is("MiB/s of each migration"),
		intField("max_downtime_ms", 1, 600_000, func(m *spec.Migration) *int { return &m.MaxDowntimeMs }).or("the hypervisor's").is("how long a guest may stand still at the end, in ms"),
	},
}).built("migration block")
