package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/spec/lang"
)

// specFlags are the flags of every command that loads a spec.
type specFlags struct {
	vars     []string
	varFiles []string
	simulate bool
}

func (f *specFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.vars, "var", nil, "value of a variable, as `NAME=VALUE`; again for more (also NOVAPLAN_VAR_name)")
	cmd.Flags().StringArrayVar(&f.varFiles, "var-file", nil, "`FILE` of values of variables; again for more, the last one wins")
}

func (f *specFlags) addSimulate(cmd *cobra.Command) {
	f.add(cmd)
	cmd.Flags().BoolVar(&f.simulate, "simulate", false, "on simulated hosts, with a record of their own: nothing real is touched")
}

func (f *specFlags) options(c *console) (lang.Options, error) {
	o := lang.Options{Vars: map[string]string{}, VarFiles: f.varFiles, Env: c.Env, Version: release()}
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return o, fmt.Errorf("-var %q: want NAME=VALUE", v)
		}
		o.Vars[name] = value
	}
	return o, nil
}

// release is the version that required_version is compared with; a build between releases satisfies
// any.
func release() string {
	v, _, between := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	if between || !strings.Contains(v, ".") {
		return ""
	}
	return v
}

// load reads the spec in dir and says everything that is wrong with it.
func (f *specFlags) load(ctx context.Context, c *console, dir string) (*lang.Folder, error) {
	opts, err := f.options(c)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is a file; name the folder it is in", dir)
	}
	folder, diags := lang.Load(ctx, dir, opts)
	if err := c.diagnose(folder, diags); err != nil {
		return nil, err
	}
	return folder, nil
}

// diagnose writes diagnostics with their snippets. It returns an error when one of them is.
func (c *console) diagnose(folder *lang.Folder, diags hcl.Diagnostics) error {
	if len(diags) == 0 {
		return nil
	}
	var files map[string]*hcl.File
	if folder != nil {
		files = folder.Files
	}
	opts := lang.TextOptions{Color: c.palette(c.Err).Enabled()}
	if f, ok := c.Err.(*os.File); ok {
		if w, _, err := term.GetSize(f.Fd()); err == nil {
			opts.Width = min(w, 120)
		}
	}
	if err := lang.WriteText(c.Err, diags, files, opts); err != nil {
		return err
	}
	if diags.HasErrors() {
		return exit(exitError)
	}
	return nil
}
