package seal

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/novaplan/novaplan/spec"
)

const cluster = "6f1c9a52-3f8e-4d7a-9c11-5a7b8c9d0e1f"

func TestSealIsDeterministicAndOpens(t *testing.T) {
	k := NewKey()
	a, b, other := k.Seal("hello"), k.Seal("hello"), k.Seal("hallo")
	if !cmp.Equal(a, b, cmpopts.IgnoreUnexported(spec.Secret{})) {
		t.Error("equal texts seal differently")
	}
	if string(a.HMAC) == string(other.HMAC) || string(a.Sealed) == string(other.Sealed) {
		t.Error("different texts seal alike")
	}
	if got, err := k.Open(a); err != nil || got != "hello" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := NewKey().Open(a); !errors.Is(err, ErrOpen) {
		t.Errorf("another key: %v", err)
	}
	a.Sealed[len(a.Sealed)-1] ^= 1
	if _, err := k.Open(a); !errors.Is(err, ErrOpen) {
		t.Errorf("changed text: %v", err)
	}
	mixed := spec.Secret{HMAC: other.HMAC, Sealed: b.Sealed}
	if _, err := k.Open(mixed); !errors.Is(err, ErrOpen) {
		t.Errorf("the HMAC of another text: %v", err)
	}
}

func TestSpecSealsEverything(t *testing.T) {
	fence := &spec.Fence{Agent: "fence_ipmilan", Options: map[string]spec.Secret{"password": spec.NewSecret("x")}}
	s := &spec.Spec{
		Instances: []spec.Instance{{UserData: spec.NewSecret("u")}, {UserData: spec.NewSecret("u")}, {}},
		Hosts:     []spec.Host{{Fence: fence}, {Fence: fence}, {}},
	}
	k := NewKey()
	Spec(k, s)
	for i, want := range []string{"u", "u", ""} {
		secret := s.Instances[i].UserData
		if _, plain := secret.Plain(); plain {
			t.Errorf("instance %d still holds its text", i)
		}
		if got, err := k.Open(secret); err != nil || got != want {
			t.Errorf("instance %d: %q, %v", i, got, err)
		}
	}
	if got, err := k.Open(s.Hosts[1].Fence.Options["password"]); err != nil || got != "x" {
		t.Errorf("fence: %q, %v", got, err)
	}
	if s.Hosts[0].Fence != s.Hosts[1].Fence {
		t.Error("hosts of one block no longer share their fence")
	}
	if _, plain := fence.Options["password"].Plain(); !plain {
		t.Error("the shared fence was changed in place")
	}
}

func TestKeyFile(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := Load(cluster); !errors.Is(err, ErrNoKey) {
		t.Fatalf("Load before there is one: %v", err)
	}
	k, err := LoadOrCreate(cluster)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreate(cluster)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(k.Seal("s")); err != nil || got != "s" {
		t.Errorf("the key read back opens %q, %v", got, err)
	}
	path, err := Path(cluster)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(cluster); err == nil {
		t.Error("a key that others may read was accepted")
	}
	if _, err := Path("../../etc/passwd"); err == nil {
		t.Error("a path as cluster id was accepted")
	}
}
