package lang

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/novaplan/novaplan/spec"
)

// The endings of files that Load reads.
const (
	SpecSuffix     = ".np.hcl"
	SpecJSONSuffix = ".np.json"
	VarsSuffix     = ".auto.npvars"
	VarsJSONSuffix = ".auto.npvars.json"
)

// Options say what surrounds a folder.
type Options struct {
	Vars     map[string]string // -var: name to raw text
	VarFiles []string          // -var-file: paths, the last one wins
	Env      []string          // "NOVAPLAN_VAR_x=..." among others, as from os.Environ
	Version  string            // of the binary, for required_version; "" is never refused
	Limits   Limits
	Confined bool // nothing outside of the folder is read, but VarFiles; links that lead out of it are refused
}

// Folder is a loaded folder.
type Folder struct {
	Dir string
	// Spec is what the folder says. It is complete only when Load reported no error.
	Spec *spec.Spec
	// Files holds the sources, by the names that diagnostics use, for showing snippets.
	Files map[string]*hcl.File

	ev *evaluator
}

type loader struct {
	opts     Options
	dir      string
	ev       *evaluator
	files    map[string]*hcl.File
	names    []string // spec files
	varNames []string // automatic variable files
	bytes    int
	blocks   collected
}

// Load reads and evaluates the folder dir. It reports all mistakes at once; with an error among
// them the returned Folder serves for showing diagnostics and the graph only. It never fails
// otherwise. Cancelling ctx ends it soon, with an error.
func Load(ctx context.Context, dir string, opts Options) (*Folder, hcl.Diagnostics) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	ld := &loader{opts: opts, dir: abs, files: map[string]*hcl.File{}}
	ld.ev = newEvaluator(ctx, abs, opts)
	f := &Folder{Dir: abs, Spec: &spec.Spec{}, Files: ld.files, ev: ld.ev}
	if ld.find(dir) {
		in := ld.findInputs()
		for _, name := range ld.names {
			if ctx.Err() == nil {
				ld.load(name)
			}
		}
		ld.ev.run(&ld.blocks, in, opts.Version, f.Spec)
	}
	if err := ctx.Err(); err != nil {
		ld.ev.add(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Loading was cancelled", Detail: fmt.Sprintf("The folder wasn't read to its end: %s.", err)})
	}
	sortDiagnostics(ld.ev.diags)
	return f, ld.ev.diags
}

func newEvaluator(ctx context.Context, dir string, opts Options) *evaluator {
	ev := &evaluator{ctx: ctx, dir: dir, lim: opts.Limits.withDefaults(), seen: map[string]bool{}, reads: map[string][]byte{},
		variables: map[string]*variable{}, locals: map[string]*local{}, kinds: map[string]*kindBlocks{}}
	ev.budget = ev.lim.Iterations
	for _, k := range allKinds() {
		ev.kinds[k.name()] = &kindBlocks{kind: k, byLabel: map[string]*block{}}
	}
	ev.base = &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: ev.functions(opts.Confined)}
	return ev
}

// find lists the folder.
func (ld *loader) find(shown string) bool {
	entries, err := os.ReadDir(ld.dir)
	if err != nil {
		ld.problem("Folder not readable", "The folder %s can't be read: %s.", shown, pathError(err))
		return false
	}
	for _, e := range entries {
		name := e.Name()
		if ignoredFile(name) {
			continue
		}
		if e.IsDir() {
			ld.refuseFolder(name)
			continue
		}
		switch {
		case strings.HasSuffix(name, SpecSuffix), strings.HasSuffix(name, SpecJSONSuffix):
			ld.names = append(ld.names, name)
		case strings.HasSuffix(name, VarsSuffix), strings.HasSuffix(name, VarsJSONSuffix):
			ld.varNames = append(ld.varNames, name)
		}
	}
	if len(ld.names) == 0 {
		ld.problem("No spec here", "The folder %s has no *%s or *%s file. An empty folder is never taken to mean that everything shall be destroyed: that is what novaplan destroy is for.", shown, SpecSuffix, SpecJSONSuffix)
		return false
	}
	return true
}

// refuseFolder finds folders with the name of a file: a missing file that was mounted into a container becomes
// one, and the machines it described would be missed.
func (ld *loader) refuseFolder(name string) {
	for _, suffix := range []string{SpecSuffix, SpecJSONSuffix, VarsSuffix, VarsJSONSuffix} {
		if strings.HasSuffix(name, suffix) {
			ld.ev.partial = true
			ld.problem("A folder, not a file", "%s has the name of a file and is a folder. Was a file that didn't exist mounted there? Remove or rename it.", name)
			return
		}
	}
}

// ignoredFile tells the files that editors leave: hidden, autosaved, backups.
func ignoredFile(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

func pathError(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

func (ld *loader) problem(summary, format string, args ...any) {
	ld.ev.add(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)})
}

// Reads returns what the folder depends on besides its spec and variable files: each path that a function looked
// at, absolute, with the content where one was read; nil for what was only looked for, listed, or isn't there.
func (f *Folder) Reads() map[string][]byte { return f.ev.reads }

// read returns a file's bytes, within the limits.
func (ld *loader) read(name, path string) ([]byte, bool) {
	read := readLimited
	if ld.opts.Confined && filepath.Dir(path) == ld.dir {
		read = func(path string, limit int) ([]byte, error) { return readConfined(ld.dir, path, limit) }
	}
	src, err := read(path, ld.ev.lim.FileBytes)
	if err != nil {
		ld.ev.partial = true
		ld.problem("File not readable", "%s: %s.", name, err)
		return nil, false
	}
	if ld.bytes += len(src); ld.bytes > ld.ev.lim.FolderBytes {
		ld.problem("Limit exceeded", "The files of the folder are limited to %s in all; %s goes beyond.", bytesText(ld.ev.lim.FolderBytes), name)
		return nil, false
	}
	return src, true
}

// parse parses a file in one piece, after the exact scan.
func (ld *loader) parse(name string, src []byte) *hcl.File {
	ld.files[name] = &hcl.File{Bytes: src}
	if bytes.IndexByte(src, 0) >= 0 {
		ld.ev.partial = true
		ld.problem("Not a text file", "%s holds zero bytes. A spec is text in UTF-8; was it saved as UTF-16, or is it something else?", name)
		return nil
	}
	isJSON := strings.HasSuffix(name, ".json")
	var hit *limitHit
	if isJSON {
		hit = scanJSON(src, ld.ev.lim)
	} else {
		hit = scanExact(src, ld.ev.lim)
	}
	if hit != nil {
		ld.ev.partial = true
		ld.limit(name, src, hit)
		return nil
	}
	var f *hcl.File
	var diags hcl.Diagnostics
	if isJSON {
		f, diags = json.Parse(src, name)
	} else {
		f, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	}
	for _, d := range encodingFirst(diags) {
		ld.ev.add(d)
	}
	ld.ev.partial = ld.ev.partial || diags.HasErrors()
	if f == nil || f.Body == nil {
		return nil
	}
	if body, ok := f.Body.(*hclsyntax.Body); ok {
		ld.ev.meter(body, src)
	}
	f.Bytes = src
	ld.files[name] = f
	return f
}

// encodingFirst drops what follows from a wrong encoding: the parser is out of step after it.
func encodingFirst(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if d.Summary == "Invalid character encoding" {
			d.Detail = "A spec is text in UTF-8, and here is something else. Set the encoding in your editor, or convert the file with iconv."
			return hcl.Diagnostics{d}
		}
	}
	return diags
}

func (ld *loader) limit(name string, src []byte, hit *limitHit) {
	rng := hcl.Range{Filename: name, Start: positionOf(src, hit.offset)}
	rng.End = rng.Start
	rng.End.Byte, rng.End.Column = rng.End.Byte+1, rng.End.Column+1
	ld.ev.errorf(rng, "Limit exceeded", "To keep a file from taking the program down, %s.", hit)
}

func positionOf(src []byte, offset int) hcl.Pos {
	pos := hcl.InitialPos
	for _, c := range src[:min(offset, len(src))] {
		pos.Byte++
		pos.Column++
		if c == '\n' {
			pos.Line, pos.Column = pos.Line+1, 1
		}
	}
	return pos
}

// load reads one spec file and collects its blocks.
func (ld *loader) load(name string) {
	src, ok := ld.read(name, filepath.Join(ld.dir, name))
	if !ok {
		return
	}
	ld.files[name] = &hcl.File{Bytes: src}
	if strings.HasSuffix(name, SpecSuffix) && ld.loadInPieces(name, src) {
		return
	}
	if f := ld.parse(name, src); f != nil {
		ld.blocks.collect(ld.ev, f.Body)
	}
}

// loadInPieces parses a large file a few blocks at a time, which takes half as long. It reports
// false, with nothing done, when the file can't be cut without doubt or has mistakes: then it is
// parsed whole, so that messages don't depend on where it was cut.
func (ld *loader) loadInPieces(name string, src []byte) bool {
	cuts, hit, sure := scanSource(src, ld.ev.lim)
	if hit != nil || !sure || len(cuts) == 0 {
		return false
	}
	start := cut{line: 1}
	var bodies []*hclsyntax.Body
	for _, c := range append(cuts, cut{offset: len(src)}) {
		f, diags := hclsyntax.ParseConfig(src[start.offset:c.offset], name, hcl.Pos{Line: start.line, Column: 1, Byte: start.offset})
		if diags.HasErrors() || ld.ev.cancelled() {
			return false
		}
		body := f.Body.(*hclsyntax.Body)
		ld.ev.meter(body, src[start.offset:c.offset])
		bodies = append(bodies, body)
		start = c
	}
	for _, b := range bodies {
		ld.blocks.collect(ld.ev, b)
	}
	return true
}

// sortDiagnostics orders by position: first what has none, then by file and place.
func sortDiagnostics(diags hcl.Diagnostics) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			switch {
			case a.Subject == b.Subject:
				return 0
			case a.Subject == nil:
				return -1
			}
			return 1
		}
		if c := strings.Compare(a.Subject.Filename, b.Subject.Filename); c != 0 {
			return c
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
}
