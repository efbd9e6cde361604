package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func TestChosenAddressesMustExist(t *testing.T) {
	f := &fake{plan: &planner.Plan{Digest: "d"}}
	f.st.Desired = state.NewDesired(&spec.Spec{Instances: []spec.Instance{{Address: "instance.old"}}})
	c := serve(t, f, api.Ports{})
	encoded, err := api.EncodeSpec(&spec.Spec{
		Zones: []spec.Zone{{Address: "zone.z"}}, Instances: []spec.Instance{{Address: "instance.web[0]"}},
		Removed: []spec.Removed{{From: "instance.gone"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		opts wire.Options
		want []string // of the message and its details; none: fine
	}{
		"in the spec":         {wire.Options{Target: []string{"instance.web[0]"}}, nil},
		"a block of the spec": {wire.Options{Exclude: []string{"instance.web"}}, nil},
		"of another kind":     {wire.Options{Target: []string{"zone.z"}}, nil},
		"in the record":       {wire.Options{Target: []string{"instance.old"}}, nil},
		"removed":             {wire.Options{Target: []string{"instance.gone"}}, nil},
		"nearly":              {wire.Options{Target: []string{"instance.wep[0]"}}, []string{"-target instance.wep[0]: there is no", "Did you mean instance.web[0]?"}},
		"another element":     {wire.Options{Exclude: []string{"instance.web[7]"}}, []string{"-exclude instance.web[7]: there is no", "Did you mean instance.web?"}},
		"nothing like it":     {wire.Options{Target: []string{"instance.database"}}, []string{"there is no instance.database"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.Plan(t.Context(), wire.PlanRequest{Spec: encoded, Options: test.opts})
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got error %v, want %q", err, test.want)
			}
			e := new(wire.Error)
			if errors.As(err, &e) {
				text := e.Message + strings.Join(e.Detail, "")
				for _, want := range test.want {
					if !strings.Contains(text, want) {
						t.Errorf("got %q, want %q in it", text, want)
					}
				}
			}
		})
	}
}
