package state

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/spec"
)

// large is a spec of n instances: half of them one block with count, half blocks of their own.
func large(n int) *spec.Spec {
	s := fleet(max(1, n/10), n/2)
	s.Flavors = []spec.Flavor{{Address: "flavor.small", Name: "small", VCPUs: 1, RAM: 1024, Disk: 10240}}
	shared := map[string]string{"role": "web", "tier": "front"}
	for i := range s.Instances {
		in := &s.Instances[i]
		in.Flavor, in.Image, in.Metadata = "flavor.small", "image.debian", shared
		in.Source = spec.Source{File: "fleet.np.hcl", Line: 10}
		in.NICs = []spec.NIC{{Name: "nic0", Network: "network.lan"}}
	}
	for i := range n - n/2 {
		name := fmt.Sprintf("db-%d", i)
		s.Instances = append(s.Instances, spec.Instance{
			Address: spec.NewAddress("instance", name), Name: name, Flavor: "flavor.small", Image: "image.debian",
			State: spec.Running, Source: spec.Source{File: "fleet.np.hcl", Line: 20 + 6*i},
			NICs: []spec.NIC{{Name: "nic0", Network: "network.lan"}}, TrashRetention: 24 * time.Hour,
		})
	}
	for i := range s.Hosts {
		s.Hosts[i].Source = spec.Source{File: "hosts.np.hcl", Line: 3 + i}
		s.Hosts[i].ModeAt = spec.Source{File: "hosts.np.hcl", Line: 4 + i}
	}
	return s
}

func encoded(t testing.TB, s *spec.Spec) (*Revision, []Chunk) {
	t.Helper()
	rev, chunks, err := EncodeSpec(s)
	if err != nil {
		t.Fatal(err)
	}
	return rev, chunks
}

var sealedOnly = cmpopts.IgnoreUnexported(spec.Secret{})

func TestSpecSurvivesEncoding(t *testing.T) {
	s := large(3000)
	s.Instances[3].UserData = spec.Secret{HMAC: []byte("mac"), Sealed: []byte("sealed")}
	s.Instances[9].UserData = s.Instances[3].UserData
	s.Instances[7].Metadata = nil
	s.Instances[8].NICs = nil
	s.Scheduler.Filters = []string{"ram"}
	s.Moved = []spec.Moved{{From: "instance.a", To: "instance.b"}}
	s.Hosts[0].Fence = &spec.Fence{Agent: "x", Options: map[string]spec.Secret{"p": {HMAC: []byte{1}, Sealed: []byte{2}}}}
	_, chunks := encoded(t, s)
	got, err := DecodeSpec(chunks...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got, sealedOnly); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEqualSpecsEncodeAlike(t *testing.T) {
	a, _ := encoded(t, large(1000))
	b, _ := encoded(t, large(1000))
	if a.Digest != b.Digest {
		t.Error("equal specs have different digests")
	}
}

func TestAnEditChangesFewChunks(t *testing.T) {
	const n = 20_000
	base, chunks := encoded(t, large(n))
	if len(chunks) < 20 {
		t.Fatalf("only %d chunks: the test tests nothing", len(chunks))
	}
	for name, edit := range map[string]func(*spec.Spec){
		"one flavor":           func(s *spec.Spec) { s.Instances[n-500].Flavor = "flavor.large" },
		"one removed":          func(s *spec.Spec) { s.Instances = slices.Delete(s.Instances, n-500, n-499) },
		"one of a count":       func(s *spec.Spec) { s.Instances[700].Locked = "no" },
		"the last of a count":  func(s *spec.Spec) { s.Instances = slices.Delete(s.Instances, n/2-1, n/2) },
		"a host drained":       func(s *spec.Spec) { s.Hosts[50].Mode = spec.ModeDrain },
		"a line at the top":    func(s *spec.Spec) { moveDown(s, 1) },
		"a comment of 9 lines": func(s *spec.Spec) { moveDown(s, 9) },
	} {
		s := large(n)
		edit(s)
		rev, _ := encoded(t, s)
		changed := 0
		for _, c := range rev.Chunks {
			if !slices.Contains(base.Chunks, c) {
				changed++
			}
		}
		if changed == 0 || changed > 4 {
			t.Errorf("%s: %d of %d chunks are new", name, changed, len(rev.Chunks))
		}
	}
}

// moveDown is what lines put in at the top of each file do.
func moveDown(s *spec.Spec, lines int) {
	for i := range s.Instances {
		s.Instances[i].Source.Line += lines
	}
	for i := range s.Hosts {
		s.Hosts[i].Source.Line += lines
		s.Hosts[i].ModeAt.Line += lines
	}
}

func TestChunksAreSmall(t *testing.T) {
	noise := rand.NewChaCha8([32]byte{1})
	s := large(100)
	for i := range s.Instances {
		sealed := make([]byte, 64<<10)
		_, _ = noise.Read(sealed)
		s.Instances[i].UserData = spec.Secret{HMAC: []byte{byte(i)}, Sealed: sealed}
	}
	s.Instances[0].Metadata = map[string]string{"large": string(make([]byte, 1<<20))}
	rev, chunks := encoded(t, s)
	byDigest := map[string]Chunk{}
	for _, c := range chunks {
		byDigest[c.Digest] = c
		if len(c.Data) > MaxChunk || digestOf(c.Data) != c.Digest {
			t.Errorf("chunk %.12s has %d bytes", c.Digest, len(c.Data))
		}
	}
	var inOrder []Chunk
	for _, digest := range rev.Chunks { // the same one may come twice
		inOrder = append(inOrder, byDigest[digest])
	}
	got, err := DecodeSpec(inOrder...)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s, got) { // cmp takes seconds on megabytes
		t.Error("another spec came back")
	}
}

func TestPlainSecretsAreNotLostSilently(t *testing.T) {
	s := fleet(1, 1)
	s.Instances[0].UserData = spec.NewSecret("x")
	if _, _, err := EncodeSpec(s); err == nil {
		t.Error("an unsealed user_data was encoded")
	}
	s = fleet(1, 0)
	s.Hosts[0].Fence = &spec.Fence{Options: map[string]spec.Secret{"p": spec.NewSecret("x")}}
	if _, _, err := EncodeSpec(s); err == nil {
		t.Error("an unsealed fence option was encoded")
	}
}

func TestDamagedChunksAreErrors(t *testing.T) {
	_, chunks := encoded(t, large(200))
	rapid.Check(t, func(r *rapid.T) {
		broken := slices.Clone(chunks)
		i := rapid.IntRange(0, len(broken)-1).Draw(r, "chunk")
		data := slices.Clone(broken[i].Data)
		data[rapid.IntRange(0, len(data)-1).Draw(r, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(r, "bits"))
		broken[i].Data = data
		_, _ = DecodeSpec(broken...) // the digest is checked when it is put; here it must only not panic
	})
	if _, err := DecodeSpec(Chunk{Data: []byte("no zstd")}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestOperationsSurviveEncoding(t *testing.T) {
	var ops []Operation
	for i := range 3000 {
		ops = append(ops, withIP(creates(fmt.Sprintf("1-%d", i), spec.Address("instance.web").Index(i), h0), "10.0.0.1"))
	}
	chunks, err := EncodeOperations(ops)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeOperations(chunks...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ops, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func BenchmarkEncodeSpec(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := large(n)
			bytes := 0
			for b.Loop() {
				_, chunks := encoded(b, s)
				bytes = 0
				for _, c := range chunks {
					bytes += len(c.Data)
				}
			}
			b.ReportMetric(float64(bytes), "chunk-bytes")
		})
	}
}

func BenchmarkDecodeSpec(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, chunks := encoded(b, large(n))
			for b.Loop() {
				if _, err := DecodeSpec(chunks...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// populated is a record of n active instances.
func populated(b testing.TB, n int) State {
	s := large(n)
	st := State{Level: 1, Mode: Sim, ClusterID: testCluster, Index: 1, Desired: NewDesired(s)}
	rev, chunks := encoded(b, s)
	st.Revision, rev.Number = 1, 1
	st.Revisions = st.Revisions.With(revisionKey(1), rev)
	for _, c := range chunks {
		st.Chunks = st.Chunks.With(c.Digest, &c)
	}
	for i := range s.Hosts {
		st.Hosts = st.Hosts.With(string(s.Hosts[i].Address), &Host{Address: s.Hosts[i].Address, Inventory: Inventory{Version: 1, VCPUs: 64, MemoryMiB: 1 << 18, Pools: []PoolInventory{{Path: DefaultPool, CapacityMiB: 1 << 24}}}})
	}
	for i := range s.Instances {
		a := s.Instances[i].Address
		st.Instances = st.Instances.With(string(a), &Instance{
			Address: a, UUID: InstanceUUID(testCluster, a, 1), Incarnation: 1, Generation: 1, Phase: Active,
			Name: s.Instances[i].Name, Host: s.Hosts[i%len(s.Hosts)].Address, Size: small, Flavor: "flavor.small",
			Disks: []Disk{{Role: "root", Path: "/var/lib/novaplan/" + s.Instances[i].Name, Format: "qcow2", Bytes: 10 << 30}},
			NICs:  []NIC{{Name: "nic0", Network: "network.lan", MAC: MAC(testCluster, a, "nic0"), IP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)}},
		})
	}
	return st.Reindex()
}

func BenchmarkSnapshot(b *testing.B) {
	st := populated(b, 100_000)
	var buf bytes.Buffer
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			buf.Reset()
			if err := Snapshot(st, &buf); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(buf.Len()), "snapshot-bytes")
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			if _, err := Restored(bytes.NewReader(buf.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStartAndFinish(b *testing.B) {
	st := populated(b, 100_000)
	i := 0
	st.Term = 1
	op := func(c Command) {
		var r Result
		i++
		st, r = Apply(st, Entry{Index: uint64(i), Term: 1, Command: c})
		if r.Refused != nil {
			b.Fatal(r.Refused)
		}
	}
	for n := 0; b.Loop(); n++ {
		id := fmt.Sprint(n)
		op(Command{Approve: &Approve{Base: 1, Operations: []Operation{acts(id, Stop, web0)}}})
		op(start(id))
		op(finish(id, ""))
		b.StopTimer()
		st.Operations = Map[*Operation]{} // Approve looks at the finished ones
		b.StartTimer()
	}
}
