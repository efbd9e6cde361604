package lang

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in the canonical form of the language. Source that doesn't parse, or exceeds
// a limit, is refused with diagnostics that call it name.
func Format(name string, src []byte) ([]byte, hcl.Diagnostics) {
	lim := Limits{}.withDefaults()
	refuse := func(format string, args ...any) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Limit exceeded", Detail: name + ": " + fmt.Sprintf(format, args...) + "."}}
	}
	if len(src) > lim.FileBytes {
		return nil, refuse("a file is limited to %d bytes", lim.FileBytes)
	}
	if hit := scanExact(src, lim); hit != nil {
		return nil, refuse("%s", hit)
	}
	if _, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos); diags.HasErrors() {
		return nil, diags
	}
	return hclwrite.Format(src), nil
}

// FormatOptions say what FormatFiles does with what it finds.
type FormatOptions struct {
	Recursive bool
	Write     bool // write the canonical form back
}

// Formatted is a file that isn't, or wasn't, in canonical form.
type Formatted struct {
	Path          string
	Before, After []byte
}

// Diff returns the change as a unified diff.
func (f Formatted) Diff() string { return unifiedDiff(f.Path, f.Before, f.After) }

// FormatFiles formats the files and folders named by paths and returns those that differ. The
// returned files are for showing diagnostics.
func FormatFiles(paths []string, opts FormatOptions) ([]Formatted, map[string]*hcl.File, hcl.Diagnostics) {
	var out []Formatted
	var diags hcl.Diagnostics
	files := map[string]*hcl.File{}
	fail := func(path string, err error) {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "File not formatted", Detail: fmt.Sprintf("%s: %s.", path, pathError(err))})
	}
	one := func(path string) {
		src, err := readLimited(path, Limits{}.withDefaults().FileBytes)
		if err != nil {
			fail(path, err)
			return
		}
		files[path] = &hcl.File{Bytes: src}
		after, d := Format(path, src)
		diags = append(diags, d...)
		if d.HasErrors() || bytes.Equal(src, after) {
			return
		}
		if opts.Write {
			if err := replaceFile(path, after); err != nil {
				fail(path, err)
				return
			}
		}
		out = append(out, Formatted{Path: path, Before: src, After: after})
	}
	for _, p := range paths {
		err := walkSpec(p, opts.Recursive, one)
		if err != nil {
			fail(p, err)
		}
	}
	return out, files, diags
}

// walkSpec calls visit for a file, or for the spec files of a folder.
func walkSpec(root string, recursive bool, visit func(path string)) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		visit(root)
		return nil
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (!recursive || strings.HasPrefix(name, ".")):
			return filepath.SkipDir
		case d.Type().IsRegular() && !ignoredFile(name) && (strings.HasSuffix(name, SpecSuffix) || strings.HasSuffix(name, ".npvars")):
			visit(path)
		}
		return nil
	})
}

// replaceFile writes a file so that a crash leaves the old or the new one, never half of it.
func replaceFile(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Chmod(info.Mode().Perm())
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), real)
}
