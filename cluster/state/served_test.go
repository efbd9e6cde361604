package state

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// served is a machine at the level of servers, with a fleet.
func served(t testing.TB, hosts, instances int) *machine {
	m := ready(t, fleet(hosts, instances))
	m.must(Command{RaiseLevel: &RaiseLevel{Level: LevelServed}})
	return m
}

func secretHash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func creating(id string, role Role) *CreateToken {
	return &CreateToken{ID: id, Name: "ci", Role: role, Hash: secretHash(id), By: "token np_root"}
}

func TestTheFirstTokenIsMadeOnce(t *testing.T) {
	m := served(t, 1, 0)
	first := creating("aa", Admin)
	first.Bootstrap = true
	m.must(Command{CreateToken: first})
	second := creating("bb", Admin)
	second.Bootstrap = true
	m.refused(WrongPhase, Command{CreateToken: second})
	m.must(Command{RevokeToken: &RevokeToken{ID: "aa", By: "token np_aa"}})
	m.refused(WrongPhase, Command{CreateToken: second})
}

func TestTokensEnd(t *testing.T) {
	m := served(t, 1, 0)
	short := creating("aa", Viewer)
	short.Expires = m.now.Add(time.Hour)
	m.must(Command{CreateToken: short})
	m.must(Command{CreateToken: creating("bb", Operator)})
	get := func(id string) *Token { token, _ := m.st.Tokens.Get(id); return token }
	for _, tc := range []struct {
		name            string
		replicated, now time.Duration
		want            bool
	}{
		{"fresh", 0, 0, true},
		{"by replicated time", time.Hour, 0, false},
		{"by our clock", 0, time.Hour, false},
	} {
		if got := get("aa").Live(m.now.Add(tc.replicated), m.now.Add(tc.now)); got != tc.want {
			t.Errorf("%s: live %v", tc.name, got)
		}
	}
	m.must(Command{RevokeToken: &RevokeToken{ID: "bb"}})
	if get("bb").Live(m.now, m.now) {
		t.Error("a revoked token lives")
	}
	m.now = m.now.Add(keepDead + 2*time.Hour)
	m.must(Command{CreateToken: creating("cc", Viewer)})
	if m.st.Tokens.Len() != 1 {
		t.Errorf("%d tokens are kept, want the new one", m.st.Tokens.Len())
	}
}

func TestBadTokens(t *testing.T) {
	m := served(t, 1, 0)
	m.must(Command{CreateToken: creating("aa", Viewer)})
	past := creating("bb", Viewer)
	past.Expires = m.now
	plain := creating("cc", Viewer)
	plain.Hash = []byte("secret")
	for name, c := range map[string]*CreateToken{
		"twice": creating("aa", Viewer), "expired": past, "no hash": plain, "role": creating("dd", "root"), "no id": creating("", Viewer),
	} {
		if r := m.apply(Command{CreateToken: c}); r == nil || r.Code != Invalid {
			t.Errorf("%s: %v", name, r)
		}
	}
	m.refused(Unknown, Command{RevokeToken: &RevokeToken{ID: "zz"}})
}

func TestRolesInclude(t *testing.T) {
	roles := []Role{Viewer, Operator, Admin}
	for i, have := range roles {
		for k, least := range roles {
			if have.Includes(least) != (i >= k) {
				t.Errorf("%s includes %s: %v", have, least, have.Includes(least))
			}
		}
		if have.Includes("") || have.Includes("root") || Role("").Includes(have) || Role("root").Includes(have) {
			t.Errorf("an unknown role goes with %s", have)
		}
	}
}

func TestARequestTakesEffectOnce(t *testing.T) {
	m := served(t, 2, 1)
	approve := Command{Approve: &Approve{
		Stack: "default", Base: m.st.Revision, PlanDigest: "d1", Request: "q1", Operations: []Operation{creates("9-1", web0, h0)},
	}}
	m.must(approve)
	m.must(start("9-1"))
	before := m.st
	data, err := EncodeCommand(Entry{At: m.now, Command: approve})
	if err != nil {
		t.Fatal(err)
	}
	e, err := DecodeCommand(data)
	if err != nil {
		t.Fatal(err)
	}
	e.Index, e.Term = m.st.Index+1, 1
	st, r := Apply(m.st, e)
	if r.Refused != nil || r.First == nil || r.First.Index >= r.Index || r.First.Revision != before.Revision {
		t.Fatalf("the second time: %+v", r)
	}
	if st.Approvals != before.Approvals || st.LastEvent != before.LastEvent {
		t.Error("it took effect again")
	}
	if got := st.OperationsOf("q1"); !cmp.Equal(got, []string{"9-1"}) {
		t.Errorf("operations %v", got)
	}
	other := *approve.Approve
	other.PlanDigest = "d2"
	m.refused(Invalid, Command{Approve: &other})
}

func TestRequestsAreForgotten(t *testing.T) {
	m := served(t, 1, 0)
	approve := func(id string) {
		m.must(Command{Approve: &Approve{Stack: "default", Base: m.st.Revision, PlanDigest: id, Request: id}})
	}
	for i := range maxRequests + 5 {
		approve(fmt.Sprint("q", i))
	}
	if _, ok := m.st.RequestByID("q4"); ok || m.st.Requests.Len() != maxRequests {
		t.Errorf("%d requests are kept, q4: %v", m.st.Requests.Len(), ok)
	}
	restored := restoredFrom(t, m.st)
	if _, ok := restored.RequestByID("q5"); !ok {
		t.Error("a snapshot loses requests")
	}
	m.now = m.now.Add(keepRequests + time.Second)
	approve("later")
	if m.st.Requests.Len() != 1 || m.st.index.requests.Len() != 1 {
		t.Errorf("%d requests are kept after a day", m.st.Requests.Len())
	}
}

func restoredFrom(t *testing.T, st State) State {
	t.Helper()
	var b bytes.Buffer
	if err := Snapshot(st, &b); err != nil {
		t.Fatal(err)
	}
	got, err := Restored(&b)
	if err != nil {
		t.Fatal(err)
	}
	if Digest(got) != Digest(st) {
		t.Fatal("a restored state has another digest")
	}
	return got
}

// submit lets a spec of n instances wait.
func (m *machine) submit(id string, n int) *Revision {
	m.t.Helper()
	rev, chunks, err := EncodeSpec(fleet(2, n))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, c := range chunks {
		m.must(Command{PutChunk: &PutChunk{Digest: c.Digest, Data: c.Data}})
	}
	rev.Stack = "default"
	m.must(Command{SubmitPlan: &SubmitPlan{Plan: PendingPlan{
		ID: id, Manifest: *rev, Base: m.st.Revision, Digest: "d" + id, Summary: fmt.Sprint(n, " instances"), Why: []string{"it destroys"}, From: "/srv/spec",
	}}})
	return rev
}

func TestPlansWait(t *testing.T) {
	m := served(t, 2, 1)
	m.submit("p1", 2)
	m.submit("p2", 3)
	if _, ok := m.st.Plans.Get("p1"); ok || m.st.Plans.Len() != 1 {
		t.Fatal("the newer plan of the stack doesn't replace the older one")
	}
	m.must(Command{Approve: &Approve{Stack: "default", Base: m.st.Revision, PlanDigest: "x", Request: "unrelated"}})
	waiting, _ := m.st.Plans.Get("p2")
	if _, err := m.st.SpecOf(&waiting.Manifest); err != nil {
		t.Fatalf("its chunks are gone: %v", err)
	}
	m.refused(Stale, Command{Approve: &Approve{Stack: "default", Base: m.st.Revision, Plan: "p1", PlanDigest: "x", Request: "q1"}})
	m.must(Command{Approve: &Approve{Stack: "default", Base: m.st.Revision, Manifest: &waiting.Manifest, Plan: "p2", PlanDigest: "x", Request: "q2"}})
	if m.st.Plans.Len() != 0 || len(m.st.Desired.Spec.Instances) != 3 {
		t.Errorf("%d plans wait, %d instances are wanted", m.st.Plans.Len(), len(m.st.Desired.Spec.Instances))
	}
	m.submit("p3", 2)
	m.must(Command{DropPlan: &DropPlan{ID: "p3", Reason: "no", By: "me"}})
	m.refused(Unknown, Command{DropPlan: &DropPlan{ID: "p3"}})
}

func TestANewRevisionSupersedesWhatWaits(t *testing.T) {
	m := served(t, 2, 1)
	m.submit("p1", 2)
	m.approve(fleet(2, 3))
	if m.st.Plans.Len() != 0 {
		t.Error("a plan for an older revision still waits")
	}
}

func TestSettingsAndNotes(t *testing.T) {
	m := served(t, 1, 0)
	want := Settings{AutoApply: ApplyAll, CapCount: 3, CapPercent: 10, Drift: map[string]DriftPolicy{"power": DriftReport}}
	m.must(Command{SetSettings: &SetSettings{Settings: want, By: "me"}})
	if diff := cmp.Diff(want, restoredFrom(t, m.st).Settings); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []Settings{{AutoApply: "some"}, {CapPercent: 101}, {CapCount: -1}, {Drift: map[string]DriftPolicy{"power": "fix"}}} {
		m.refused(Invalid, Command{SetSettings: &SetSettings{Settings: bad}})
	}
	m.must(Command{Note: &Note{Kind: "login", Message: "refused", From: "192.0.2.1"}})
	m.refused(Invalid, Command{Note: &Note{Kind: "login", Message: string(make([]byte, maxNote))}})
	last, _ := m.st.History.Get(eventKey(m.st.LastEvent))
	if last.Kind != "login" || last.From != "192.0.2.1" {
		t.Errorf("the history ends with %+v", last)
	}
}

func TestCaps(t *testing.T) {
	for _, tc := range []struct {
		s       Settings
		n, want int
	}{
		{Settings{}, 10, 1}, {Settings{}, 100, 5}, {Settings{CapCount: 8}, 100, 8}, {Settings{CapPercent: 10}, 5, 0},
	} {
		if got := tc.s.Cap(tc.n); got != tc.want {
			t.Errorf("%+v of %d: %d, want %d", tc.s, tc.n, got, tc.want)
		}
	}
}

// TestTheMainLevelKnowsNoneOfIt keeps a record of level 1 as it was, whoever proposes.
func TestTheMainLevelKnowsNoneOfIt(t *testing.T) {
	m := ready(t, fleet(1, 1))
	first := creating("aa", Admin)
	first.Bootstrap = true
	for _, c := range []Command{
		{CreateToken: first}, {RevokeToken: &RevokeToken{ID: "aa"}}, {SubmitPlan: &SubmitPlan{}}, {DropPlan: &DropPlan{}},
		{SetSettings: &SetSettings{}}, {Note: &Note{Kind: "x"}},
	} {
		m.refused(NotReady, c)
	}
	again := Command{Approve: &Approve{Stack: "default", Base: m.st.Revision, Request: "q", PlanDigest: "d"}}
	m.must(again)
	m.must(again)
	if m.st.Requests.Len() != 0 {
		t.Error("requests are kept at level 1")
	}
}
