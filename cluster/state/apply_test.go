package state

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

const testCluster = "6f1c9a52-3f8e-4d7a-9c11-5a7b8c9d0e1f"

// machine drives Apply as a log would, keeping the encoded entries.
type machine struct {
	t     testing.TB
	st    State
	log   [][]byte
	terms []uint64
	now   time.Time
}

func newMachine(t testing.TB) *machine {
	m := &machine{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	m.must(Command{Bootstrap: &Bootstrap{ClusterID: testCluster, Fleet: "default", Mode: Sim, Level: 1}})
	return m
}

func (m *machine) apply(c Command) *Refusal { return m.applyTerm(c, 1) }

func (m *machine) applyTerm(c Command, term uint64) *Refusal {
	m.t.Helper()
	data, err := EncodeCommand(Entry{At: m.now, Command: c})
	if err != nil {
		m.t.Fatal(err)
	}
	e, err := DecodeCommand(data)
	if err != nil {
		m.t.Fatal(err)
	}
	e.Index, e.Term = m.st.Index+1, term
	m.log, m.terms = append(m.log, data), append(m.terms, term)
	var r Result
	m.st, r = Apply(m.st, e)
	if r.Index != e.Index {
		m.t.Fatalf("result index %d, want %d", r.Index, e.Index)
	}
	return r.Refused
}

func (m *machine) must(c Command) {
	m.t.Helper()
	if r := m.apply(c); r != nil {
		m.t.Fatalf("refused: %s: %s", r.Code, r.Message)
	}
}

func (m *machine) refused(code RefusalCode, c Command) {
	m.t.Helper()
	r := m.apply(c)
	if r == nil || r.Code != code {
		m.t.Fatalf("got %v, want a refusal %q", r, code)
	}
}

// inventory makes host usable.
func (m *machine) inventory(host spec.Address, vcpus int, memory, disk int64) {
	m.t.Helper()
	m.must(Command{SetInventory: &SetInventory{Host: host, Name: host.Short(), Claimed: true, Inventory: Inventory{
		UUID: string(host), VCPUs: vcpus, MemoryMiB: memory, Arch: "x86_64", Owner: testCluster,
		Pools: []PoolInventory{{Path: "/shared", CapacityMiB: 3 * 1024}, {Path: DefaultPool, CapacityMiB: disk, AvailableMiB: disk}},
	}}})
}

// approve makes s the desired spec, with operations.
func (m *machine) approve(s *spec.Spec, ops ...Operation) {
	m.t.Helper()
	m.must(m.approval(s, ops...))
}

func (m *machine) approval(s *spec.Spec, ops ...Operation) Command {
	m.t.Helper()
	a := &Approve{Stack: "default", Base: m.st.Revision, Operations: ops, Request: "r"}
	if s != nil {
		rev, chunks, err := EncodeSpec(s)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, c := range chunks {
			m.must(Command{PutChunk: &PutChunk{Digest: c.Digest, Data: c.Data}})
		}
		a.Manifest = rev
	}
	return Command{Approve: a}
}

func (m *machine) op(id string) *Operation {
	m.t.Helper()
	op, ok := m.st.Operations.Get(id)
	if !ok {
		m.t.Fatalf("no operation %s", id)
	}
	return op
}

func (m *machine) phase(id string, want Phase) {
	m.t.Helper()
	if got := m.op(id).Phase; got != want {
		m.t.Errorf("%s is %s, want %s", id, got, want)
	}
}

func start(id string) Command { return Command{Start: &Start{Operation: id, Epoch: 1}} }

func finish(id, failure string) Command {
	return Command{Finish: &Finish{Operation: id, Epoch: 1, Error: failure}}
}

// small is what test instances take.
var small = Size{VCPUs: 1, MemoryMiB: 1024, DiskMiB: 1024}

func creates(id string, instance, host spec.Address) Operation {
	return Operation{ID: id, Action: Create, Instance: instance, To: host, Size: small, Build: &Instance{
		Address: instance, Name: instance.Short(), Size: small, TrashRetention: time.Hour,
		Disks: []Disk{{Role: "root", Path: "/p/" + instance.Label(), Format: "qcow2", Bytes: 1 << 30}},
	}}
}

func migrates(id string, instance, from, to spec.Address) Operation {
	return Operation{ID: id, Action: Migrate, Kind: Live, Instance: instance, From: from, To: to}
}

func acts(id string, action Action, instance spec.Address) Operation {
	return Operation{ID: id, Action: action, Instance: instance}
}

// fleet is a spec of hosts h0.. and instances web[0]...
func fleet(hosts, instances int) *spec.Spec {
	s := &spec.Spec{Fleet: "default", Stack: "default"}
	for i := range hosts {
		s.Hosts = append(s.Hosts, spec.Host{Address: spec.NewAddress("host", fmt.Sprintf("h%d", i)), Name: fmt.Sprintf("h%d", i), Mode: spec.ModeActive, URI: "sim://"})
	}
	for i := range instances {
		s.Instances = append(s.Instances, spec.Instance{Address: spec.Address("instance.web").Index(i), Name: fmt.Sprintf("web-%d", i), State: spec.Running})
	}
	return s
}

const (
	h0, h1, h2 = spec.Address("host.h0"), spec.Address("host.h1"), spec.Address("host.h2")
	web0, web1 = spec.Address("instance.web[0]"), spec.Address("instance.web[1]")
	web2       = spec.Address("instance.web[2]")
)

// ready is a machine with n hosts of 4 GiB and the spec approved.
func ready(t testing.TB, s *spec.Spec) *machine {
	m := newMachine(t)
	m.approve(s)
	for _, h := range s.Hosts {
		m.inventory(h.Address, 4, 4096, 100_000)
	}
	return m
}

// run starts and finishes an operation.
func (m *machine) run(id string) {
	m.t.Helper()
	m.must(start(id))
	m.must(finish(id, ""))
}

func TestLifeOfAnInstance(t *testing.T) {
	m := ready(t, fleet(2, 1))
	m.approve(nil, creates("1", web0, h0))
	m.phase("1", Pending)
	m.must(start("1"))
	in, _ := m.st.Instances.Get(string(web0))
	if in == nil || in.Phase != Building || in.Host != h0 || in.UUID != InstanceUUID(testCluster, web0, 1) {
		t.Fatalf("building: %+v", in)
	}
	m.must(finish("1", ""))
	m.approve(nil, migrates("2", web0, h0, h1))
	m.must(start("2"))
	for _, h := range []spec.Address{h0, h1} {
		if used := hostOf(m.st, h).Used; used.MemoryMiB != 1024 || used.IOOps != 1 {
			t.Errorf("%s while migrating: %+v", h, used)
		}
	}
	m.must(finish("2", ""))
	in, _ = m.st.Instances.Get(string(web0))
	if in.Host != h1 || in.Generation != 2 || in.Phase != Active {
		t.Fatalf("migrated: %+v", in)
	}
	m.approve(fleet(2, 0), acts("3", Terminate, web0))
	m.run("3")
	trash, ok := m.st.Trash.Get(in.UUID)
	if !ok || trash.Expires != m.now.Add(time.Hour) || len(trash.Disks) != 1 {
		t.Fatalf("trash: %+v", trash)
	}
	if m.st.Instances.Len() != 0 || hostOf(m.st, h1).Used != (Usage{}) {
		t.Errorf("left over: %d instances, %+v", m.st.Instances.Len(), hostOf(m.st, h1).Used)
	}
	m.refused(NotReady, Command{Purge: &Purge{Trash: []string{in.UUID}}})
	m.now = m.now.Add(time.Hour)
	m.must(Command{Purge: &Purge{Trash: []string{in.UUID}}})
}

func hostOf(st State, a spec.Address) *Host {
	h, ok := st.Hosts.Get(string(a))
	if !ok {
		return &Host{}
	}
	return h
}

func TestSnapshotRestoresAndIsDeterministic(t *testing.T) {
	m := ready(t, fleet(3, 3))
	m.approve(nil, creates("1", web0, h0), creates("2", web1, h1), creates("3", web2, h2))
	m.run("1")
	m.must(start("2"))
	var a, b bytes.Buffer
	if err := Snapshot(m.st, &a); err != nil {
		t.Fatal(err)
	}
	got, err := Restored(bytes.NewReader(a.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if Digest(got) != Digest(m.st) {
		t.Error("a restored state has another digest")
	}
	if err := Snapshot(got, &b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the snapshot of a restored state has other bytes")
	}
}
