package state

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

var rewrite = flag.String("rewrite-golden", "", "write this golden log anew, such as level2.log; only before its level is released")

func TestCommandsSurviveEncoding(t *testing.T) {
	want := Entry{At: time.Date(2026, 11, 23, 9, 0, 0, 5, time.UTC), ClockStepped: true, Command: Command{Restore: &Restore{
		Instances: []Instance{{Address: web0, UUID: "u", Host: h0, CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}, By: "me",
	}}}
	data, err := EncodeCommand(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeCommand(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNewerLogsHalt(t *testing.T) {
	unknownCommand, _ := encoder.Marshal(map[string]any{"at": time.Now().UTC(), "command": map[string]any{"teleport": map[string]any{}}})
	unknownField, _ := encoder.Marshal(map[string]any{"at": time.Now().UTC(), "command": map[string]any{"start": map[string]any{"operation": "1", "epoch": 1, "gently": true}}})
	for name, data := range map[string][]byte{
		"format":  framed(2, unknownCommand),
		"command": framed(commandVersion, unknownCommand),
		"field":   framed(commandVersion, unknownField),
		"level":   mustEncode(t, Command{RaiseLevel: &RaiseLevel{Level: Level + 1}}),
		"birth":   mustEncode(t, Command{Bootstrap: &Bootstrap{Level: Level + 1}}),
	} {
		if _, err := DecodeCommand(data); !errors.Is(err, ErrNewer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustEncode(t testing.TB, c Command) []byte {
	t.Helper()
	data, err := EncodeCommand(Entry{Command: c})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDamagedCommands(t *testing.T) {
	whole := mustEncode(t, start("1"))
	for i := 1; i < len(whole); i++ {
		broken := bytes.Clone(whole)
		broken[i] ^= 1
		if _, err := DecodeCommand(broken); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := DecodeCommand(whole[:i]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func FuzzDecodeCommand(f *testing.F) {
	f.Add(mustEncode(f, start("1"))[5:])
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := DecodeCommand(framed(commandVersion, body))
		if err != nil {
			return
		}
		_, _ = Apply(State{}, e)
		m := ready(t, fleet(1, 1))
		e.Term = 1
		_, _ = Apply(m.st, e)
	})
}

func TestSnapshotsNoticeDamage(t *testing.T) {
	m := ready(t, fleet(2, 2))
	m.approve(nil, creates("1", web0, h0))
	var b bytes.Buffer
	if err := Snapshot(m.st, &b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x10
		st, err := Restored(bytes.NewReader(broken))
		if err == nil && Digest(st) != Digest(m.st) {
			t.Fatalf("byte %d changed: another state, no error", i)
		}
		if _, err := Restored(bytes.NewReader(whole[:i])); err == nil {
			t.Fatalf("cut at %d: no error", i)
		}
	}
	newer := bytes.Clone(whole)
	newer[len(snapshotMagic)]++
	if _, err := Restored(bytes.NewReader(newer)); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
}

// TestGoldenLog replays a log that a released binary wrote: I4. Its digest must never change; new
// behaviour is gated by a level and gets a log of its own.
func TestGoldenLog(t *testing.T) {
	for name, live := range map[string]func(*testing.T) *machine{"level1.log": liveMain, "level2.log": liveServed} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			if *rewrite == name {
				writeGolden(t, path, live(t))
			}
			replayGolden(t, path)
		})
	}
}

func replayGolden(t *testing.T, path string) {
	want, err := os.ReadFile(path + ".digest")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var st State
	var entries []goldenEntry
	if err := decode(data, &entries); err != nil {
		t.Fatal(err)
	}
	for i, entry := range entries {
		e, err := DecodeCommand(entry.Data)
		if err != nil {
			t.Fatalf("entry %d: %v", i+1, err)
		}
		again, err := EncodeCommand(e)
		if err != nil || !bytes.Equal(again, entry.Data) {
			t.Errorf("entry %d encodes differently now (%v)", i+1, err)
		}
		e.Index, e.Term = uint64(i+1), entry.Term
		st, _ = Apply(st, e)
	}
	if got := Digest(st); got != string(bytes.TrimSpace(want)) {
		t.Errorf("the golden log gives %s, it gave %s", got, want)
	}
}

type goldenEntry struct {
	Term uint64 `json:"term"`
	Data []byte `json:"data"`
}

// liveMain lives through every command of LevelMain, refusals included.
func liveMain(t *testing.T) *machine {
	s := grouped(3, 3, spec.AntiAffinity)
	s.Instances[0].UserData = spec.Secret{HMAC: []byte("mac"), Sealed: []byte("sealed")}
	m := ready(t, s)
	for i, op := range []Operation{creates("1-1", web0, h0), creates("1-2", web1, h1), creates("1-3", web2, h0)} {
		m.approve(nil, withIP(op, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}[i]))
	}
	m.run("1-1")
	m.must(start("1-2"))
	m.must(Command{Step: &Step{Operation: "1-2", Epoch: 1, Step: "disks", Build: &Instance{Machine: "pc-q35-7.2"}}})
	m.must(Command{Retarget: &Retarget{Operation: "1-2", Epoch: 1, To: h2, Error: "no space"}})
	m.must(finish("1-2", ""))
	m.refused(GroupPolicy, start("1-3"))
	m.must(Command{Cancel: &Cancel{Reason: "interrupted", By: "someone"}})
	m.approve(nil, migrates("2-1", web0, h0, h1), acts("2-2", Terminate, web1), Operation{ID: "2-3", Action: ClaimHost, To: h2})
	m.must(start("2-1"))
	if r := m.applyTerm(Command{Start: &Start{Operation: "2-1", Epoch: 2}}, 2); r != nil {
		t.Fatal(r)
	}
	m.must(Command{Revoke: &Revoke{Operation: "2-1", Epoch: 2, Reason: "a new leader"}})
	m.must(Command{Revoke: &Revoke{Operation: "2-1", Epoch: 2, Done: true}})
	m.must(Command{Freeze: &Freeze{Instance: web0, Why: "h0 is gone"}})
	m.must(Command{Freeze: &Freeze{Instance: web0, Thaw: true}})
	m.run("2-2")
	m.run("2-3")
	gone, _ := m.st.Trash.Get(InstanceUUID(testCluster, web1, 1))
	m.now = m.now.Add(-time.Hour)
	m.refused(NotReady, Command{Purge: &Purge{Trash: []string{gone.ID}}})
	m.now = m.now.Add(27 * time.Hour)
	m.must(Command{Purge: &Purge{Trash: []string{gone.ID}}})
	m.must(Command{Restore: &Restore{Instances: []Instance{{Address: "instance.lost", UUID: InstanceUUID(testCluster, "instance.lost", 3), Incarnation: 3, Generation: 7, Host: h1, Size: small}}}})
	moved := fleet(3, 1)
	moved.Moved = []spec.Moved{{From: web0, To: "instance.db"}}
	m.approve(moved)
	return m
}

// liveServed begins at LevelMain, as a record from before does, and lives through what LevelServed adds.
func liveServed(t *testing.T) *machine {
	m := served(t, 2, 1)
	first := creating("aa", Admin)
	first.Bootstrap, first.From = true, "/run/novaplan.sock"
	m.must(Command{CreateToken: first})
	m.refused(WrongPhase, Command{CreateToken: first})
	short := creating("bb", Viewer)
	short.Expires = m.now.Add(time.Hour)
	m.must(Command{CreateToken: short})
	m.must(Command{RevokeToken: &RevokeToken{ID: "bb", By: "token aa", Request: "q0", From: "192.0.2.7"}})
	m.must(Command{SetSettings: &SetSettings{Settings: Settings{AutoApply: ApplyNone, CapCount: 2, Drift: map[string]DriftPolicy{"power": DriftReport}}}})
	m.submit("p1", 2)
	rev := m.submit("p2", 1)
	approve := Command{Approve: &Approve{
		Stack: "default", Base: m.st.Revision, Manifest: rev, Plan: "p2", PlanDigest: "d", Request: "q1", By: "token aa", From: "192.0.2.7",
		Operations: []Operation{creates("9-1", web0, h0)},
	}}
	m.must(approve)
	m.must(approve)
	m.run("9-1")
	m.submit("p3", 2)
	m.must(Command{DropPlan: &DropPlan{ID: "p3", Reason: "not now", By: "token aa"}})
	m.submit("p4", 2)
	m.approve(fleet(2, 3))
	m.must(Command{Note: &Note{Kind: "login", Message: "refused", From: "192.0.2.9"}})
	m.must(Command{Cancel: &Cancel{Reason: "stop", By: "token aa", Request: "q2", From: "192.0.2.7"}})
	return m
}

func writeGolden(t *testing.T, path string, m *machine) {
	entries := make([]goldenEntry, len(m.log))
	for i := range m.log {
		entries[i] = goldenEntry{m.terms[i], m.log[i]}
	}
	data, err := encoder.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".digest", []byte(Digest(m.st)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
