package render

import (
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

func TestExplainIsReadable(t *testing.T) {
	e := &wire.Explanation{
		Address: "instance.web", Names: map[string]string{"host.a": "a"},
		Change: &wire.Change{Action: "create", To: "host.a", Reason: wire.Reason{Code: "new", Message: "new in the spec (web.np.hcl:3)"}},
		Placement: &wire.Placement{Candidates: 1, Ranked: []wire.RankedHost{{Host: "host.a", Weight: 1, Parts: []wire.WeightPart{
			{Weigher: "disk", Raw: 1 << 20, Normalized: 1, Multiplier: 1},
			{Weigher: "metrics", Raw: 0.25, Normalized: 1, Multiplier: -1.5},
		}}}},
	}
	var b strings.Builder
	if err := Explain(&b, e, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"The plan: create to a   (new in the spec, web.np.hcl:3)\n", "1.000 x 1 (1048576)", "1.000 x -1.5 (0.25)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}
