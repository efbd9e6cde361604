package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/pki"
	"github.com/novaplan/novaplan/cluster/state"
)

// maxConfig bounds the configuration's file.
const maxConfig = 1 << 20

// readServerConfig reads server.hcl and finds all that is wrong with it. files are for snippets.
func readServerConfig(path string) (c *serverConfig, files map[string]*hcl.File, diags hcl.Diagnostics) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Can't read the configuration",
			Detail: fmt.Sprintf("%s: %s. Name the file with -config; an empty one is enough for one server on this machine.", path, errorOf(err)),
		}}
	}
	if len(src) > maxConfig {
		return nil, nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Not a configuration", Detail: fmt.Sprintf("%s is larger than 1 MiB.", path)}}
	}
	file, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	files = map[string]*hcl.File{path: file}
	if diags.HasErrors() {
		return nil, files, diags
	}
	r := &configReader{dir: filepath.Dir(path), c: &serverConfig{at: map[string]hcl.Range{}}}
	r.read(file.Body)
	if !r.diags.HasErrors() {
		r.diags = append(r.diags, r.c.complete()...)
	}
	slices.SortStableFunc(r.diags, func(a, b *hcl.Diagnostic) int { return cmp.Compare(lineOf(a), lineOf(b)) })
	return r.c, files, r.diags
}

// lineOf is where a diagnostic is, or 0.
func lineOf(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return 0
	}
	return d.Subject.Start.Line
}

// configReader fills a configuration from HCL.
type configReader struct {
	dir   string // relative paths begin here
	c     *serverConfig
	diags hcl.Diagnostics
}

// configSetting is an attribute and what it does.
type configSetting struct {
	name string
	kind cty.Type
	set  func(r *configReader, v cty.Value) error
}

func configText(field func(*serverConfig) *string) func(*configReader, cty.Value) error {
	return func(r *configReader, v cty.Value) error { *field(r.c) = v.AsString(); return nil }
}

// configPath is a file or folder, relative to the configuration's.
func configPath(field func(*serverConfig) *string) func(*configReader, cty.Value) error {
	return func(r *configReader, v cty.Value) error { *field(r.c) = r.path(v.AsString()); return nil }
}

// configWord is a word of a few.
func configWord(field func(*serverConfig) *string, words ...string) func(*configReader, cty.Value) error {
	return func(r *configReader, v cty.Value) error {
		if !slices.Contains(words, v.AsString()) {
			return fmt.Errorf("%q: want %s", v.AsString(), strings.Join(words, ", "))
		}
		*field(r.c) = v.AsString()
		return nil
	}
}

func (r *configReader) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(r.dir, p)
}

// serverSettings are the attributes of server.hcl.
func serverSettings() []configSetting {
	return []configSetting{
		{"name", cty.String, configText(func(c *serverConfig) *string { return &c.Name })},
		{"fleet", cty.String, configText(func(c *serverConfig) *string { return &c.Fleet })},
		{"mode", cty.String, configWord(func(c *serverConfig) *string { return (*string)(&c.Mode) }, string(state.Real), string(state.Sim))},
		{"data_dir", cty.String, configPath(func(c *serverConfig) *string { return &c.DataDir })},
		{"spec_dir", cty.String, configPath(func(c *serverConfig) *string { return &c.SpecDir })},
		{"sim_dir", cty.String, configPath(func(c *serverConfig) *string { return &c.SimDir })},
		{"secrets_key", cty.String, configPath(func(c *serverConfig) *string { return &c.SecretsKey })},
		{"address", cty.String, configText(func(c *serverConfig) *string { return &c.Address })},
		{"advertise", cty.String, configText(func(c *serverConfig) *string { return &c.Advertise })},
		{"timeouts", cty.String, configWord(func(c *serverConfig) *string { return (*string)(&c.Profile) }, string(cluster.LAN), string(cluster.WAN))},
		{"metrics", cty.String, configWord(func(c *serverConfig) *string { return &c.Metrics }, metricsForSome, metricsForAll, metricsOff)},
		{"bootstrap_expect", cty.Number, func(r *configReader, v cty.Value) error {
			n, exact := v.AsBigFloat().Int64()
			if exact != 0 {
				return fmt.Errorf("%s: want a whole number", v.AsBigFloat().Text('g', 10))
			}
			r.c.Expect = int(n)
			return nil
		}},
		{"retry_join", cty.List(cty.String), func(r *configReader, v cty.Value) error {
			for _, a := range v.AsValueSlice() {
				if a.IsNull() {
					return errors.New("an address is null")
				}
				r.c.RetryJoin = append(r.c.RetryJoin, a.AsString())
			}
			return nil
		}},
		{"grace", cty.String, func(r *configReader, v cty.Value) error {
			d, err := time.ParseDuration(v.AsString())
			if err != nil || d < 0 {
				return fmt.Errorf("%q: want a duration such as 30s or 2m", v.AsString())
			}
			r.c.Grace = max(d, time.Nanosecond) // 0 is the default
			return nil
		}},
	}
}

func tlsSettings() []configSetting {
	return []configSetting{
		{"ca", cty.String, configPath(func(c *serverConfig) *string { return &c.TLS.CA })},
		{"cert", cty.String, configPath(func(c *serverConfig) *string { return &c.TLS.Cert })},
		{"key", cty.String, configPath(func(c *serverConfig) *string { return &c.TLS.Key })},
	}
}

func logSettings() []configSetting {
	return []configSetting{
		{"level", cty.String, func(r *configReader, v cty.Value) error {
			if err := r.c.LogLevel.UnmarshalText([]byte(v.AsString())); err != nil || r.c.LogLevel < slog.LevelDebug || r.c.LogLevel > slog.LevelError {
				return fmt.Errorf("%q: want debug, info, warn or error", v.AsString())
			}
			return nil
		}},
		{"format", cty.String, func(r *configReader, v cty.Value) error {
			r.c.LogJSON = v.AsString() == "json"
			if !r.c.LogJSON && v.AsString() != "text" {
				return fmt.Errorf("%q: want text or json", v.AsString())
			}
			return nil
		}},
	}
}

func (r *configReader) read(body hcl.Body) {
	schema := schemaOf(serverSettings())
	schema.Blocks = []hcl.BlockHeaderSchema{{Type: "tls"}, {Type: "log"}}
	content := r.content(body, schema, serverSettings())
	seen := map[string]bool{}
	for _, block := range content.Blocks {
		if seen[block.Type] {
			r.bad(block.DefRange, "A second "+block.Type+" block", "There is one already.")
			continue
		}
		seen[block.Type] = true
		r.c.at[block.Type] = block.DefRange
		if block.Type == "log" {
			r.content(block.Body, schemaOf(logSettings()), logSettings())
			continue
		}
		r.c.TLS = &pki.Files{}
		inside := r.content(block.Body, schemaOf(tlsSettings()), tlsSettings())
		for _, s := range tlsSettings() {
			if inside.Attributes[s.name] == nil {
				r.bad(block.DefRange, "Missing "+s.name, "tls wants ca (the authority's certificate), cert and key (this server's). novaplan tls makes them.")
			}
		}
	}
}

func schemaOf(settings []configSetting) *hcl.BodySchema {
	schema := &hcl.BodySchema{}
	for _, s := range settings {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: s.name})
	}
	return schema
}

func (r *configReader) content(body hcl.Body, schema *hcl.BodySchema, settings []configSetting) *hcl.BodyContent {
	content, diags := body.Content(schema)
	r.diags = append(r.diags, diags...)
	for _, s := range settings {
		if attr := content.Attributes[s.name]; attr != nil {
			r.attribute(attr, s)
		}
	}
	return content
}

func (r *configReader) attribute(attr *hcl.Attribute, s configSetting) {
	value, diags := attr.Expr.Value(r.scope())
	if diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return
	}
	r.c.at[s.name] = attr.Expr.Range()
	converted, err := convert.Convert(value, s.kind)
	switch {
	case err != nil:
		r.bad(attr.Expr.Range(), "Wrong value for "+s.name, "%s.", err)
		return
	case converted.IsNull() || !converted.IsWhollyKnown():
		r.bad(attr.Expr.Range(), "Wrong value for "+s.name, "It is null; leave the line out for the default.")
		return
	}
	if err := s.set(r, converted); err != nil {
		r.bad(attr.Expr.Range(), "Wrong value for "+s.name, "%s.", err)
	}
}

func (r *configReader) bad(at hcl.Range, summary, detail string, args ...any) {
	r.diags = append(r.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at})
}

// scope is what expressions can use: the folder of systemd's credentials.
func (r *configReader) scope() *hcl.EvalContext {
	vars := map[string]cty.Value{}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		vars["credentials"] = cty.StringVal(dir)
	}
	return &hcl.EvalContext{Variables: vars}
}
