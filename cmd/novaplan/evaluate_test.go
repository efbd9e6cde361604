package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
	"github.com/novaplan/novaplan/spec/watch"
)

const smallFleet = `
host "a" { uri = "sim://a" }
flavor "small" {
  vcpus = 1
  ram   = "1GiB"
}
image "linux" { source = "/srv/linux.qcow2" }
`

func makeFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func evaluateIt(t *testing.T, c *console, dir string, limits evaluationLimits) (*evaluation, *spec.Spec) {
	t.Helper()
	doc, s, err := (&specFlags{}).evaluateApart(t.Context(), c, dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	return doc, s
}

// What a child makes of a folder is what this process would make of it, secrets included.
func TestEvaluateApart(t *testing.T) {
	dir := makeFolder(t, map[string]string{
		"fleet.np.hcl": smallFleet + `
variable "password" {
  type      = string
  sensitive = true
}
instance "web" {
  count     = 3
  flavor    = flavor.small
  image     = image.linux
  user_data = templatefile("web.tftpl", { password = var.password, n = count.index })
}
host "b" {
  uri = "sim://b"
  fence {
    agent   = "fence_ipmilan"
    options = { password = var.password }
  }
}
`, "web.tftpl": "$${password} is $${n}",
	})
	if err := os.WriteFile(filepath.Join(dir, "web.tftpl"), []byte("${password} is ${n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &console{Err: &bytes.Buffer{}, Env: []string{"NOVAPLAN_VAR_password=hunter2", "OTHER=x"}}
	doc, got := evaluateIt(t, c, dir, defaultEvaluation)
	if got == nil {
		t.Fatal(doc.Text)
	}
	want, diags := lang.Load(t.Context(), dir, lang.Options{Env: c.Env})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	plain := cmp.Comparer(func(a, b spec.Secret) bool {
		x, _ := a.Plain()
		y, _ := b.Plain()
		return x == y
	})
	if diff := cmp.Diff(want.Spec, got, plain, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if text, _ := got.Instances[2].UserData.Plain(); text != "hunter2 is 2" {
		t.Errorf("user data %q", text)
	}
	if doc.Files["fleet.np.hcl"] != watch.SumAt(filepath.Join(dir, "fleet.np.hcl")) {
		t.Error("the digest of the spec isn't that of its file")
	}
	template := filepath.Join(dir, "web.tftpl")
	if doc.Reads[template] != watch.SumAt(template) {
		t.Errorf("the template isn't among what was read: %v", doc.Reads)
	}
}

func TestEvaluateApartSaysWhatIsWrong(t *testing.T) {
	dir := makeFolder(t, map[string]string{"fleet.np.hcl": smallFleet + `instance "web" { flavor = flavor.smal }`})
	doc, s := evaluateIt(t, &console{Err: &bytes.Buffer{}}, dir, defaultEvaluation)
	if s != nil || doc.Diagnostics.Valid || doc.Diagnostics.ErrorCount == 0 {
		t.Fatalf("it is taken for valid: %+v", doc.Diagnostics)
	}
	for _, want := range []string{"fleet.np.hcl line ", "flavor.smal", "Did you mean"} {
		if !strings.Contains(doc.Text, want) {
			t.Errorf("no %q in\n%s", want, doc.Text)
		}
	}
}

// Each limit ends the child, never the parent, and is named.
func TestEvaluationLimits(t *testing.T) {
	loop := `
locals {
  x = length([for a in range(2000) : length([for b in range(2000) : b if b * a > 3 && b != a || a == 7 && b == 9])])
}
`
	instances := `
instance "web" {
  count    = 200000
  flavor   = flavor.small
  image    = image.linux
  metadata = { index = count.index, more = join("-", range(20)) }
}
`
	for name, c := range map[string]struct {
		spec   string
		limits evaluationLimits
		want   string
	}{
		"CPU":    {smallFleet + loop + instances, evaluationLimits{MemoryMiB: 4096, CPUSeconds: 1}, "limited to 1 s of CPU time"},
		"memory": {smallFleet + instances, evaluationLimits{MemoryMiB: 24, CPUSeconds: 60}, "limited to 24 MiB of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, s := evaluateIt(t, &console{Err: &bytes.Buffer{}}, makeFolder(t, map[string]string{"f.np.hcl": c.spec}), c.limits)
			if s != nil || !strings.Contains(doc.Text, c.want) {
				t.Errorf("want %q, got a spec: %v, %q", c.want, s != nil, doc.Text)
			}
			if len(doc.Diagnostics.Diagnostics) != 1 || doc.Diagnostics.Diagnostics[0].Summary != "Limit exceeded" {
				t.Errorf("diagnostics: %+v", doc.Diagnostics)
			}
		})
	}
}

// A result that is larger than agreed isn't read to its end.
func TestEvaluationResultIsBounded(t *testing.T) {
	dir := makeFolder(t, map[string]string{"f.np.hcl": smallFleet + strings.Repeat("oops {}\n", 30_000)})
	doc, s := evaluateIt(t, &console{Err: &bytes.Buffer{}}, dir, evaluationLimits{MemoryMiB: 512, CPUSeconds: 60})
	if s != nil || doc.Diagnostics.ErrorCount == 0 {
		t.Error("thirty thousand mistakes are taken for none")
	}
	req := evaluationRequest{Dir: dir, Limits: evaluationLimits{MemoryMiB: 512, CPUSeconds: 60}}
	if n := req.Limits.resultBytes(); n != 256<<20 {
		t.Errorf("a result of %d bytes would be read", n)
	}
}

func TestEvaluationEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := (&specFlags{}).evaluateApart(ctx, &console{Err: &bytes.Buffer{}}, t.TempDir(), defaultEvaluation)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The child sees nothing but what it needs: no environment, no file outside of the folder.
func TestEvaluationIsConfined(t *testing.T) {
	t.Setenv("NOVAPLAN_TOKEN", "hunter2")
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := makeFolder(t, map[string]string{"f.np.hcl": `locals { x = file("` + outside + `") }
keypair "k" { public_key = local.x }`})
	doc, s := evaluateIt(t, &console{Err: &bytes.Buffer{}}, dir, defaultEvaluation)
	if s != nil || !strings.Contains(doc.Text, "outside of the folder") {
		t.Errorf("got %q", doc.Text)
	}
	all, err := json.Marshal(doc)
	if err != nil || bytes.Contains(all, []byte("hunter2")) {
		t.Errorf("%v, the secret is in %s", err, all)
	}
}

func BenchmarkEvaluateApart(b *testing.B) {
	dir := b.TempDir()
	text := smallFleet + "instance \"web\" {\n  count = 1000\n  flavor = flavor.small\n  image = image.linux\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "f.np.hcl"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, s, err := (&specFlags{}).evaluateApart(b.Context(), &console{Err: &bytes.Buffer{}}, dir, defaultEvaluation); err != nil || s == nil {
			b.Fatal(err)
		}
	}
}
