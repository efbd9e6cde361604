package render

import (
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

func TestWhich(t *testing.T) {
	rows := func(addresses ...string) []*wire.Change {
		var out []*wire.Change
		for _, a := range addresses {
			out = append(out, &wire.Change{Address: a})
		}
		return out
	}
	var many, scattered []string
	for _, d := range "0123456789" {
		many = append(many, "instance.web["+string(d)+"]")
		scattered = append(scattered, `instance.web["`+string(d)+`x"]`)
	}
	for name, c := range map[string]struct {
		rows     []*wire.Change
		destroys bool
		want     string
	}{
		"one has its own label":     {rows("instance.web[3]"), true, ""},
		"two numbers":               {rows("instance.web[3]", "instance.web[4]"), false, "[3], [4]"},
		"a run":                     {rows("instance.web[3]", "instance.web[4]", "instance.web[5]", "instance.web[9]"), false, "[3]-[5], [9]"},
		"keys":                      {rows(`host.kvm["a"]`, `host.kvm["b"]`), false, "a, b"},
		"keys that are digits":      {rows(`host.kvm["1"]`, `host.kvm["2"]`, `host.kvm["3"]`), false, "1, 2, 3"},
		"many":                      {rows(many...), false, ""},
		"many are destroyed":        {rows(many...), true, "[0]-[9]"},
		"many, and no run of them":  {rows(scattered...), true, ""},
		"downwards is not a run":    {rows("instance.web[5]", "instance.web[4]", "instance.web[3]"), true, "[5], [4], [3]"},
		"a block without elements":  {rows("instance.a"), true, ""},
		"numbers with a gap of two": {rows("instance.web[1]", "instance.web[3]"), true, "[1], [3]"},
	} {
		if got := which(c.rows, c.destroys); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
