package deps

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/novaplan/novaplan/"

// rooms lists, per folder, the folders of this module it may import. A folder stands for everything
// below it that has no entry of its own. What is not listed may import nothing of the house.
var rooms = map[string][]string{
	"spec":       {},
	"spec/lang":  {"spec"},
	"spec/watch": {},

	"cluster/state": {"spec"},
	"cluster/seal":  {"spec"},
	"cluster":       {"spec", "cluster/state"},
	"cluster/api":   {"spec", "cluster/state", "cluster/pki", "planner", "cluster/api"},

	"cluster/pki":       {},
	"cluster/transport": {"cluster/pki"},

	"planner/placement": {"spec", "cluster/state"},
	"planner":           {"spec", "cluster/state", "planner/placement"},

	"reconcile/hypervisor":             {},
	"reconcile/hypervisor/conformance": {"reconcile/hypervisor"},
	"reconcile/hypervisor/libvirt":     {"reconcile/hypervisor"},
	"reconcile/hypervisor/sim":         {"reconcile/hypervisor"},
	"reconcile/disk":                   {"spec", "reconcile/hypervisor"},
	"reconcile/operation":              {"spec", "cluster/state", "planner", "reconcile/hypervisor", "reconcile/disk"},
	"reconcile/observe":                {"spec", "cluster/state", "planner", "reconcile/hypervisor"},
	"reconcile/recovery":               {"spec", "cluster/state", "planner", "reconcile/hypervisor", "reconcile/operation"},
	"reconcile": {"spec", "cluster/state", "cluster/seal", "planner", "planner/placement", "reconcile/hypervisor",
		"reconcile/disk", "reconcile/operation", "reconcile/observe", "reconcile/recovery"},

	"cmd/novaplan": {"spec", "spec/lang", "spec/watch", "cluster", "cluster/state", "cluster/seal", "cluster/api",
		"cluster/pki", "cluster/transport", "planner", "planner/placement", "reconcile", "reconcile/hypervisor", "reconcile/hypervisor/libvirt", "reconcile/hypervisor/sim",
		"reconcile/disk", "reconcile/operation", "reconcile/observe", "reconcile/recovery"},
}

// outside is what only some rooms may import of other modules and of the standard library.
var outside = []struct {
	path  string
	rooms []string
	why   string
}{
	{"github.com/hashicorp/hcl", []string{"spec/lang", "cmd/novaplan"}, "only the language knows HCL"},
	{"github.com/zclconf/go-cty", []string{"spec/lang", "cmd/novaplan"}, "only the language knows cty"},
	{"github.com/digitalocean/go-libvirt", []string{"reconcile/hypervisor/libvirt"}, "only the driver knows libvirt"},
	{"github.com/hashicorp/raft", []string{"cluster"}, "only the cluster knows raft"},
	{"github.com/danielgtaylor/huma", []string{"cluster/api"}, "only the API knows what it is built with"},
	{"github.com/spf13/cobra", []string{"cmd/novaplan"}, "only the command line knows cobra"},
	{"net/http", []string{"cluster/api", "reconcile/disk", "cmd/novaplan"}, "only the API and image downloads speak HTTP"},
}

// impure is what the pure core must not import: no I/O, clock, log or chance.
var impure = []string{"os", "io/ioutil", "net", "log", "math/rand", "sync", "context", "runtime", "os/exec"}

var pure = []string{"spec", "cluster/state", "planner", "planner/placement"}

func TestImportPolicy(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "../.." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		checkFile(t, strings.TrimPrefix(filepath.ToSlash(path), "../../"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("looked at %d files only: the walk is broken", files)
	}
}

func checkFile(t *testing.T, file string) {
	dir := file[:max(strings.LastIndexByte(file, '/'), 0)]
	if strings.HasPrefix(dir, "internal/") || strings.HasPrefix(dir, "examples") {
		return
	}
	room, ok := roomOf(dir)
	if !ok {
		t.Errorf("%s: folder %q is in no room of the policy", file, dir)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../"+file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range parsed.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		checkImport(t, file, room, path)
	}
}

func checkImport(t *testing.T, file, room, path string) {
	if inside, ok := strings.CutPrefix(path, module); ok {
		target, ok := roomOf(inside)
		if !ok || target != room && !slices.Contains(rooms[room], target) {
			t.Errorf("%s: %s may not import %s", file, room, inside)
		}
		return
	}
	for _, rule := range outside {
		if under(path, rule.path) && !slices.Contains(rule.rooms, room) {
			t.Errorf("%s: %s may not import %s: %s", file, room, path, rule.why)
		}
	}
	if slices.Contains(pure, room) && (slices.Contains(impure, path) || strings.HasPrefix(path, "log/") || strings.HasPrefix(path, "net/h")) {
		t.Errorf("%s: %s is pure and may not import %s", file, room, path)
	}
}

// roomOf returns the innermost room that dir lies in.
func roomOf(dir string) (string, bool) {
	for d := dir; ; {
		if _, ok := rooms[d]; ok {
			return d, true
		}
		i := strings.LastIndexByte(d, '/')
		if i < 0 {
			return "", false
		}
		d = d[:i]
	}
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
