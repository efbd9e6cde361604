package lang

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// readLimited reads a regular file of at most limit bytes.
func readLimited(path string, limit int) ([]byte, error) {
	return readFrom(os.Stat, os.Open, path, limit)
}

// readFrom is readLimited over any way to look at a file and to open it.
func readFrom(stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error), path string, limit int) ([]byte, error) {
	info, err := stat(path)
	if err != nil {
		return nil, pathError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it isn't a regular file")
	}
	f, err := open(path)
	if err != nil {
		return nil, pathError(err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, pathError(err)
	}
	if len(src) > limit {
		return nil, fmt.Errorf("a file is limited to %s, and it is larger", bytesText(limit))
	}
	return src, nil
}

// bytesText writes a limit as people do: 8 MiB.
func bytesText(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// reader reads files for functions: relative to the folder, limited, each once.
type reader struct {
	ev        *evaluator
	confined  bool
	files     map[string][]byte
	templates map[string]hclsyntax.Expression
}

func (r *reader) resolve(name string) (string, error) {
	full := expandHome(name)
	if !filepath.IsAbs(full) {
		full = filepath.Join(r.ev.dir, full)
	}
	full = filepath.Clean(full)
	if _, known := r.ev.reads[full]; !known {
		r.ev.reads[full] = nil
	}
	if _, err := inside(r.ev.dir, full); r.confined && errors.Is(err, errOutside) {
		return "", fmt.Errorf("%q is %w", name, errOutside)
	}
	return full, nil
}

func (r *reader) read(name string) ([]byte, error) {
	full, err := r.resolve(name)
	if err != nil {
		return nil, err
	}
	if src, ok := r.files[full]; ok {
		return src, nil
	}
	src, err := r.open(full)
	if errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(expandHome(name)) {
		return nil, fmt.Errorf("file %q: %w in %s; paths are relative to the folder of the spec", name, err, r.ev.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", name, err)
	}
	r.files[full], r.ev.reads[full] = src, src
	return src, nil
}

func (r *reader) open(full string) ([]byte, error) {
	if r.confined {
		return readConfined(r.ev.dir, full, r.ev.lim.FileBytes)
	}
	return readLimited(full, r.ev.lim.FileBytes)
}

// fileFunc makes a function of a file's bytes.
func (r *reader) fileFunc(convert func(src []byte) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			src, err := r.read(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			s, err := convert(src)
			if err != nil {
				return cty.NilVal, fmt.Errorf("file %q: %w", args[0].AsString(), err)
			}
			return cty.StringVal(s), nil
		},
	})
}

func textOf(src []byte) (string, error) {
	if !utf8.Valid(src) {
		return "", errors.New("it isn't UTF-8 text; filebase64 reads any file")
	}
	return string(src), nil
}

func hexHash(make func() hash.Hash) func([]byte) (string, error) {
	return func(src []byte) (string, error) {
		h := make()
		h.Write(src)
		return hex.EncodeToString(h.Sum(nil)), nil
	}
}

func (ev *evaluator) fileFunctions(confined bool) map[string]function.Function {
	r := &reader{ev: ev, confined: confined, files: map[string][]byte{}, templates: map[string]hclsyntax.Expression{}}
	return map[string]function.Function{
		"file":       r.fileFunc(textOf),
		"filebase64": r.fileFunc(func(src []byte) (string, error) { return base64.StdEncoding.EncodeToString(src), nil }),
		"filemd5":    r.fileFunc(hexHash(md5.New)),
		"filesha1":   r.fileFunc(hexHash(sha1.New)),
		"filesha256": r.fileFunc(hexHash(sha256.New)),
		"filesha512": r.fileFunc(hexHash(sha512.New)),
		"basename":   pathFunc(filepath.Base),
		"dirname":    pathFunc(filepath.Dir),
		"pathexpand": pathFunc(expandHome),
		"fileexists": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "path", Type: cty.String}},
			Type:   function.StaticReturnType(cty.Bool),
			Impl:   r.exists,
		}),
		"fileset": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
			Type:   function.StaticReturnType(cty.Set(cty.String)),
			Impl:   r.fileSet,
		}),
		"templatefile": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType}},
			Type:   function.StaticReturnType(cty.DynamicPseudoType),
			Impl:   r.templateFile,
		}),
	}
}

func (r *reader) exists(args []cty.Value, _ cty.Type) (cty.Value, error) {
	full, err := r.resolve(args[0].AsString())
	if err != nil {
		return cty.NilVal, err
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cty.False, nil
	case err != nil:
		return cty.NilVal, pathError(err)
	}
	return cty.BoolVal(info.Mode().IsRegular()), nil
}

// fileSet lists the files under a folder that match a pattern, in which ** stands for any folders.
func (r *reader) fileSet(args []cty.Value, _ cty.Type) (cty.Value, error) {
	root, err := r.resolve(args[0].AsString())
	if err != nil {
		return cty.NilVal, err
	}
	pattern := strings.Split(args[1].AsString(), "/")
	var names []cty.Value
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := r.ev.iterate(); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || d.IsDir() {
			return err
		}
		name := filepath.ToSlash(rel)
		ok, err := matchPath(pattern, strings.Split(name, "/"))
		if ok {
			names = append(names, cty.StringVal(name))
		}
		return err
	})
	if err != nil {
		return cty.NilVal, pathError(err)
	}
	if len(names) == 0 {
		return cty.SetValEmpty(cty.String), nil
	}
	return cty.SetVal(names), nil
}

func matchPath(pattern, name []string) (bool, error) {
	for len(pattern) > 0 && pattern[0] != "**" {
		if len(name) == 0 {
			return false, nil
		}
		ok, err := path.Match(pattern[0], name[0])
		if !ok || err != nil {
			return false, err
		}
		pattern, name = pattern[1:], name[1:]
	}
	if len(pattern) == 0 {
		return len(name) == 0, nil
	}
	for i := range len(name) + 1 {
		if ok, err := matchPath(pattern[1:], name[i:]); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// templateFile renders a file with variables. It can't render itself, so there is no recursion.
func (r *reader) templateFile(args []cty.Value, _ cty.Type) (cty.Value, error) {
	name, vars := args[0].AsString(), args[1]
	if t := vars.Type(); !t.IsObjectType() && !t.IsMapType() {
		return cty.NilVal, function.NewArgErrorf(1, "wants an object with the template's variables")
	}
	expr, err := r.template(name)
	if err != nil {
		return cty.NilVal, err
	}
	ctx := &hcl.EvalContext{Variables: vars.AsValueMap(), Functions: map[string]function.Function{}}
	for fn, f := range r.ev.base.Functions {
		if fn != "templatefile" {
			ctx.Functions[fn] = f
		}
	}
	for _, t := range expr.Variables() {
		if _, ok := ctx.Variables[t.RootName()]; !ok {
			return cty.NilVal, fmt.Errorf("template %q, line %d: there is no variable %q; it is given %s", name, t.SourceRange().Start.Line, t.RootName(), oneOf(sortedKeys(ctx.Variables)))
		}
	}
	v, diags := r.ev.evaluate(expr, ctx)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("template %q: %w", name, diags)
	}
	return v, nil
}

func (r *reader) template(name string) (hclsyntax.Expression, error) {
	if e, ok := r.templates[name]; ok {
		return e, nil
	}
	src, err := r.read(name)
	if err != nil {
		return nil, err
	}
	if hit := scanTemplate(src, r.ev.lim); hit != nil {
		return nil, fmt.Errorf("template %q: %w", name, hit)
	}
	expr, diags := hclsyntax.ParseTemplate(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("template %q: %w", name, diags)
	}
	before := r.ev.errors
	r.ev.meter(expr, src)
	if r.ev.errors > before {
		return nil, fmt.Errorf("template %q exceeds a limit", name)
	}
	r.templates[name] = expr
	return expr, nil
}

// expandHome replaces ~/ by the home folder.
func expandHome(name string) string {
	rest, ok := strings.CutPrefix(name, "~/")
	if home, err := os.UserHomeDir(); ok && err == nil {
		return filepath.Join(home, rest)
	}
	return name
}

func pathFunc(f func(string) string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(f(args[0].AsString())), nil
		},
	})
}
