package lang

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// folder makes a folder of files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t testing.TB, files map[string]string, opts Options) (*Folder, hcl.Diagnostics) {
	t.Helper()
	return Load(context.Background(), folder(t, files), opts)
}

func text(f *Folder, diags hcl.Diagnostics) string {
	var b strings.Builder
	if err := WriteText(&b, diags, f.Files, TextOptions{}); err != nil {
		panic(err)
	}
	return strings.ReplaceAll(b.String(), f.Dir, "DIR")
}

func mustLoad(t testing.TB, files map[string]string, opts Options) *Folder {
	t.Helper()
	f, diags := load(t, files, opts)
	if diags.HasErrors() {
		t.Fatal(text(f, diags))
	}
	return f
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

func TestBadInput(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.np.hcl")
	if err != nil || len(files) < 15 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), SpecSuffix)
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			opts := Options{Version: "0.1.0", Limits: Limits{Iterations: 100_000}}
			f, diags := load(t, map[string]string{name + SpecSuffix: string(src)}, opts)
			if !diags.HasErrors() {
				t.Error("no error")
			}
			got := text(f, diags)
			if strings.Contains(strings.ReplaceAll(got, `default   = "hunter2"`, ""), "hunter2") {
				t.Error("a sensitive value is shown")
			}
			golden(t, strings.TrimSuffix(file, SpecSuffix)+".golden", got)
			if doc := ToJSON(diags, f.Files); doc.Valid || doc.ErrorCount == 0 {
				t.Errorf("validate -json says valid = %t with %d errors", doc.Valid, doc.ErrorCount)
			}
		})
	}
}

func specJSON(t *testing.T, f *Folder) string {
	t.Helper()
	b, err := json.MarshalIndent(f.Spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), f.Dir, "DIR") + "\n"
}

func TestGoodInput(t *testing.T) {
	src, err := os.ReadFile("testdata/good/blocks.np.hcl")
	if err != nil {
		t.Fatal(err)
	}
	f := mustLoad(t, map[string]string{"blocks.np.hcl": string(src)}, Options{})
	golden(t, "testdata/good/blocks.golden.json", specJSON(t, f))
}

var referenceEnv = []string{"NOVAPLAN_VAR_ipmi_password=hunter2"}

func TestReferenceLoads(t *testing.T) {
	f, diags := Load(context.Background(), "testdata/reference", Options{Env: referenceEnv, Version: "0.1.0"})
	if diags.HasErrors() {
		t.Fatal(text(f, diags))
	}
	golden(t, "testdata/reference/spec.golden.json", specJSON(t, f))
	if pw, ok := f.Spec.Hosts[0].Fence.Options["password"].Plain(); !ok || pw != "hunter2" {
		t.Error("the fence password isn't kept")
	}
	drained := f.Spec.Hosts[8]
	if drained.Name != "b3" || drained.Mode != spec.ModeDrain || drained.ModeAt != (spec.Source{File: "prod.auto.npvars", Line: 1}) {
		t.Errorf("b3 is %s %s, decided at %v", drained.Name, drained.Mode, drained.ModeAt)
	}
	if ud, _ := f.Spec.Instances[7].UserData.Plain(); ud != "#cloud-config\nhostname: web-7\n" {
		t.Errorf("user data of %s: %q", f.Spec.Instances[7].Address, ud)
	}
	out, diags := f.Outputs(map[spec.Address]Decided{
		`instance.db["standby"]`: {NICs: []DecidedNIC{{FixedIP: "10.20.0.99"}}},
	})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(out) != 1 || string(out[0].JSON) != `{"primary":"10.20.0.10","standby":"10.20.0.99"}` {
		t.Errorf("outputs %+v", out)
	}
}

func TestFullReferenceIsOnlyNotSupportedYet(t *testing.T) {
	src, err := os.ReadFile("testdata/reference/full.hcl")
	if err != nil {
		t.Fatal(err)
	}
	f, diags := load(t, map[string]string{"a.np.hcl": string(src), "ops.pub": "ssh-ed25519 AAAA ops", "web.yaml.tftpl": "${n}"}, Options{Env: referenceEnv})
	count := 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			if count++; d.Summary != "Not supported yet" {
				t.Error(text(f, hcl.Diagnostics{d}))
			}
		}
	}
	if count != 6 {
		t.Errorf("%d errors, want one for each of attach, volume, snapshot, module, filter, check", count)
	}
}

func TestFilesOfAFolder(t *testing.T) {
	f := mustLoad(t, map[string]string{
		"b.np.hcl": `zone "b" {}`, "a.np.hcl": "zone \"c\" {}\nzone \"a\" {}",
		".#a.np.hcl": "broken", "#a.np.hcl#": "broken", "a.np.hcl~": "broken", "notes.hcl": "broken", ".hidden.np.hcl": "broken",
		"c.np.json": `{"zone": {"d": {}, "e": {"name": "${lower(\"E\")}x"}}}`,
	}, Options{})
	var got []string
	for _, z := range f.Spec.Zones {
		got = append(got, z.Name)
	}
	if diff := cmp.Diff([]string{"c", "a", "b", "d", "ex"}, got); diff != "" {
		t.Errorf("zones in spec order (-want +got):\n%s", diff)
	}
}

func TestEmptyFolderIsAnError(t *testing.T) {
	for name, dir := range map[string]string{"empty": t.TempDir(), "missing": filepath.Join(t.TempDir(), "x")} {
		if _, diags := Load(context.Background(), dir, Options{}); !diags.HasErrors() {
			t.Errorf("%s folder: no error", name)
		}
	}
}

func TestVariablePrecedence(t *testing.T) {
	files := map[string]string{
		"a.np.hcl":         "variable \"v\" {\n  type    = string\n  default = \"default\"\n}\nzone \"z\" { name = var.v }",
		"extra.npvars":     `v = "file"`,
		"one.auto.npvars":  `v = "auto one"`,
		"two.auto.npvars":  `v = "auto two"`,
		"two.auto.npvars~": `v = "backup"`,
	}
	dir := folder(t, files)
	env := []string{"NOVAPLAN_VAR_v=env"}
	extra := []string{filepath.Join(dir, "extra.npvars")}
	steps := []struct {
		want string
		opts Options
		drop string
	}{
		{"flag", Options{Env: env, VarFiles: extra, Vars: map[string]string{"v": "flag"}}, ""},
		{"file", Options{Env: env, VarFiles: extra}, ""},
		{"auto two", Options{Env: env}, "two.auto.npvars"},
		{"auto one", Options{Env: env}, "one.auto.npvars"},
		{"env", Options{Env: env}, ""},
		{"default", Options{}, ""},
	}
	for _, s := range steps {
		f, diags := Load(context.Background(), dir, s.opts)
		if diags.HasErrors() {
			t.Fatal(text(f, diags))
		}
		if got := f.Spec.Zones[0].Name; got != s.want {
			t.Errorf("got %q, want %q", got, s.want)
		}
		if s.drop != "" {
			if err := os.Remove(filepath.Join(dir, s.drop)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestVariableOfComplexTypeFromFlag(t *testing.T) {
	files := map[string]string{"a.np.hcl": `
variable "zones" { type = set(string) }
variable "opts" {
  type    = object({ a = optional(number, 3), b = string })
  default = { b = "x" }
}
zone "z" {
  for_each = var.zones
  name     = "${each.key}-${var.opts.a}"
}`}
	f := mustLoad(t, files, Options{Vars: map[string]string{"zones": `["p", "q"]`}})
	if len(f.Spec.Zones) != 2 || f.Spec.Zones[1].Name != "q-3" || f.Spec.Zones[1].Address != `zone.z["q"]` {
		t.Errorf("zones: %v", f.Spec.Zones)
	}
	if _, diags := load(t, files, Options{Vars: map[string]string{"zones": "[", "nozone": "1"}}); len(diags) != 2 {
		t.Errorf("want two errors, for the value and the unknown name: %v", diags)
	}
}

func TestDrainByFlagWarns(t *testing.T) {
	files := map[string]string{"a.np.hcl": `
variable "drain" {
  type    = set(string)
  default = []
}
host "a" {
  uri  = "sim://a"
  mode = contains(var.drain, "a") ? "drain" : "active"
}`}
	f, diags := load(t, files, Options{Vars: map[string]string{"drain": `["a"]`}})
	if len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || f.Spec.Hosts[0].Mode != spec.ModeDrain {
		t.Errorf("mode %s: %s", f.Spec.Hosts[0].Mode, text(f, diags))
	}
	if f := mustLoad(t, files, Options{}); f.Spec.Hosts[0].ModeAt != (spec.Source{File: "a.np.hcl", Line: 8}) {
		t.Errorf("mode decided at %v", f.Spec.Hosts[0].ModeAt)
	}
}

// What depends on something broken isn't reported again.
func TestOneMistakeIsReportedOnce(t *testing.T) {
	f, diags := load(t, map[string]string{"a.np.hcl": `
locals {
  bad  = nofunc()
  size = local.bad
}
zone "z" {
  for_each = local.size
}
host "h" {
  for_each = toset(["a"])
  uri      = "sim://${each.key}"
  zone     = zone.z[each.key]
  labels   = { a = local.bad }
}
aggregate "a" { hosts = [for h in host.h : h if h.labels.a == "x"] }
flavor "f" {
  vcpus = 1
  ram   = "1GB"
}
image "i" { source = "x" }
instance "v" {
  count  = local.size
  flavor = flavor.f
  image  = image.i
}
instance "w" {
  flavor         = flavor.f
  image          = image.i
  zone           = local.bad
  different_host = [instance.v[0]]
}
output "x" { value = instance.v[0].name }
output "y" { value = local.size }
`}, Options{})
	if len(diags) != 2 {
		t.Errorf("%d diagnostics, want 2:\n%s", len(diags), text(f, diags))
	}
}

// What a file that doesn't parse may hold isn't reported as missing; other mistakes are.
func TestSyntaxErrorHidesNothingElse(t *testing.T) {
	f, diags := load(t, map[string]string{
		"a.np.hcl": "zone \"a\" {\n  name = \n}\nflavor \"f\" {",
		"b.np.hcl": "host \"h\" {\n  uri  = \"sim://h\"\n  zone = zone.b\n  mode = \"of\"\n}",
	}, Options{})
	got := text(f, diags)
	if strings.Contains(got, "Unknown zone") || strings.Contains(got, "Missing argument") || !strings.Contains(got, "Invalid value for mode") {
		t.Error(got)
	}
}

// A mistake that every element makes is reported for the first one.
func TestMistakeOfManyElementsIsReportedOnce(t *testing.T) {
	f, diags := load(t, map[string]string{"a.np.hcl": `
host "h" {
  count = 1000
  uri   = "sim://h${count.index}"
  mode  = "m${count.index}"
  capacity { vcpus = -count.index }
}`}, Options{})
	if len(diags) != 2 {
		t.Errorf("%d diagnostics, want 2:\n%s", len(diags), text(f, diags))
	}
}

func TestElementsAreInOrder(t *testing.T) {
	f := mustLoad(t, map[string]string{"a.np.hcl": benchHead + countBlock(2000)}, Options{})
	for i, in := range f.Spec.Instances {
		want := spec.NewAddress("instance", "web").Index(i)
		if zone := spec.NewAddress("zone", []string{"az0", "az1"}[i%2]); in.Address != want || in.Zone != zone {
			t.Fatalf("instance %d is %s in %s", i, in.Address, in.Zone)
		}
	}
}

func TestCancelledLoadEnds(t *testing.T) {
	dir := folder(t, map[string]string{"a.np.hcl": `
locals {
  n = range(1000)
  x = [for a in local.n : [for b in local.n : [for c in local.n : c]]]
}`})
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, diags := Load(ctx, dir, Options{Limits: Limits{Iterations: 1 << 40}}); !diags.HasErrors() {
		t.Error("a cancelled load reported no error")
	}
}

func TestLimitsOfBytes(t *testing.T) {
	files := map[string]string{"a.np.hcl": "# " + strings.Repeat("x", 600), "b.np.hcl": "# " + strings.Repeat("x", 600)}
	for want, lim := range map[string]Limits{"limited to 500 bytes, and": {FileBytes: 500}, "limited to 1000 bytes in all": {FolderBytes: 1000}} {
		f, diags := load(t, files, Options{Limits: lim})
		if got := text(f, diags); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestGrowthOfValuesIsLimited(t *testing.T) {
	var b strings.Builder
	b.WriteString("locals {\n  a0 = \"0123456789\"\n")
	for i := 1; i < 60; i++ {
		p := string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
		if i == 1 {
			p = "0"
		}
		n := string(rune('0'+i/10)) + string(rune('0'+i%10))
		b.WriteString("  a" + n + " = \"${local.a" + p + "}${local.a" + p + "}\"\n")
	}
	b.WriteString("}\nzone \"a\" {}")
	f, diags := load(t, map[string]string{"a.np.hcl": b.String()}, Options{Limits: Limits{Value: 1 << 20}})
	if got := text(f, diags); strings.Count(got, "Value too large") != 1 {
		t.Errorf("want one error: %s", got)
	}
}

func TestGraph(t *testing.T) {
	f := mustLoad(t, map[string]string{"a.np.hcl": `
zone "a" {}
locals { z = zone.a }
host "h" {
  uri  = "sim://h"
  zone = local.z
}
output "h" { value = host.h.name }`}, Options{})
	want := []GraphEdge{{"local.z", "zone.a"}, {"host.h", "local.z"}, {"output.h", "host.h"}}
	if diff := cmp.Diff(want, f.Graph().Edges); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	if dot := f.Graph().DOT(); !strings.Contains(dot, `"host.h" -> "local.z"`) {
		t.Error(dot)
	}
}
