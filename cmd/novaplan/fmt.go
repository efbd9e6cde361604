package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/spec/lang"
)

// formatFlags are the flags of fmt.
type formatFlags struct {
	check, diff, list bool
	lang.FormatOptions
}

func newFmt(c *console) *cobra.Command {
	var f formatFlags
	cmd := &cobra.Command{
		Use:   "fmt [DIR|FILE]... | -",
		Short: "Lay out spec files in the usual style",
		Long:  "Fmt rewrites spec and variable files in the usual layout and prints the names of those that it changed.\nWith - it reads standard input and writes standard output. Nothing is fetched or evaluated.",
		Example: `  novaplan fmt -recursive
  novaplan fmt -check -diff    # for CI: exit code 3 when something is not laid out
  novaplan fmt - < web.np.hcl`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "-" {
				return c.formatStream(f)
			}
			return c.formatFiles(f, args)
		},
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "write nothing; exit code 3 when something would change")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "show the differences")
	cmd.Flags().BoolVar(&f.Recursive, "recursive", false, "the folders below too")
	cmd.Flags().BoolVar(&f.Write, "write", true, "write the files in place")
	cmd.Flags().BoolVar(&f.list, "list", true, "print the names of files that change")
	return cmd
}

func (c *console) formatFiles(f formatFlags, paths []string) error {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	f.Write = f.Write && !f.check
	changed, files, diags := lang.FormatFiles(paths, f.FormatOptions)
	for _, file := range changed {
		if f.list {
			fmt.Fprintln(c.Out, filepath.Clean(file.Path))
		}
		if f.diff {
			fmt.Fprint(c.Out, file.Diff())
		}
	}
	if err := c.diagnose(&lang.Folder{Files: files}, diags); err != nil {
		return err
	}
	if f.check && len(changed) > 0 {
		return exit(exitUnformatted)
	}
	return nil
}

func (c *console) formatStream(f formatFlags) error {
	src, err := io.ReadAll(c.In)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	const name = "<stdin>"
	out, diags := lang.Format(name, src)
	if err := c.diagnose(&lang.Folder{Files: map[string]*hcl.File{name: {Bytes: src}}}, diags); err != nil {
		return err
	}
	same := bytes.Equal(src, out)
	switch {
	case f.diff && !same:
		fmt.Fprint(c.Out, lang.Formatted{Path: name, Before: src, After: out}.Diff())
	case !f.check && !f.diff:
		if _, err := c.Out.Write(out); err != nil {
			return err
		}
	}
	if f.check && !same {
		return exit(exitUnformatted)
	}
	return nil
}
