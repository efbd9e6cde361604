package conformance

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

func claims(t *testing.T, s *suite) {
	ctx := t.Context()
	ours := hypervisor.Claim{Cluster: uuid.NewString(), Fleet: "prod <&> ü", Epoch: 1, Endpoint: "https://np.example:8080"}
	theirs := hypervisor.Claim{Cluster: uuid.NewString(), Fleet: "other"}
	_, err := s.a.GetClaim(ctx)
	want(t, "read the claim of an unclaimed host", err, hypervisor.ErrNotFound)
	want(t, "release an unclaimed host", s.a.ReleaseClaim(ctx, ours.Cluster), hypervisor.ErrNotFound)
	must(t, s.a.SetClaim(ctx, ours))
	t.Cleanup(func() { _ = s.a.ReleaseClaim(context.WithoutCancel(ctx), ours.Cluster) })
	s.wantClaim(t, ours)
	ours.Epoch, ours.Endpoint = 2, ""
	must(t, s.a.SetClaim(ctx, ours))
	s.wantClaim(t, ours)

	err = s.a.SetClaim(ctx, theirs)
	want(t, "claim a claimed host", err, hypervisor.ErrClaimed)
	if err != nil && (!strings.Contains(err.Error(), ours.Cluster) || !strings.Contains(err.Error(), "prod")) {
		t.Errorf("the error doesn't say whose claim it is: %v", err)
	}
	want(t, "release another's claim", s.a.ReleaseClaim(ctx, theirs.Cluster), hypervisor.ErrClaimed)
	s.wantClaim(t, ours)
	must(t, s.a.ReleaseClaim(ctx, ours.Cluster))
	must(t, s.a.SetClaim(ctx, theirs))
	must(t, s.a.ReleaseClaim(ctx, theirs.Cluster))
}

func (s *suite) wantClaim(t *testing.T, claim hypervisor.Claim) {
	t.Helper()
	got, err := s.a.GetClaim(t.Context())
	must(t, err)
	if diff := cmp.Diff(claim, got); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
}
