package main

import (
	"bufio"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cmd/novaplan/render"
	"github.com/novaplan/novaplan/spec/lang"
)

func newValidate(c *console) *cobra.Command {
	var flags specFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check the spec; no host is asked",
		Long:  "Validate loads the spec in a folder and reports every mistake in one run. No host is asked, nothing is written.",
		Example: `  novaplan validate
  novaplan validate -json examples/quickstart   # for editors`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(c)
			if err != nil {
				return err
			}
			folder, diags := lang.Load(cmd.Context(), folderOf(args), opts)
			if asJSON {
				return c.validateJSON(folder, diags)
			}
			if err := c.diagnose(folder, diags); err != nil {
				return err
			}
			s := folder.Spec
			_, err = fmt.Fprintf(c.Out, "The spec is valid: %s, %s.\n", render.Count(len(s.Hosts), "host"), render.Count(len(s.Instances), "instance"))
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document on standard output")
	return cmd
}

// validation is the document that validate -json prints.
type validation struct {
	FormatVersion string       `json:"format_version"`
	Valid         bool         `json:"valid"`
	Errors        int          `json:"error_count"`
	Warnings      int          `json:"warning_count"`
	Diagnostics   []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	Range    *span  `json:"range,omitempty"`
	Snippet  string `json:"snippet,omitempty"` // the line that the range starts on
}

type span struct {
	Filename string `json:"filename"`
	Start    point  `json:"start"`
	End      point  `json:"end"`
}

type point struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

func (c *console) validateJSON(folder *lang.Folder, diags hcl.Diagnostics) error {
	v := validation{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []diagnostic{}}
	for _, d := range diags {
		out := diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			out.Severity = "warning"
			v.Warnings++
		} else {
			v.Errors++
		}
		if d.Subject != nil {
			out.Range = &span{d.Subject.Filename, point(d.Subject.Start), point(d.Subject.End)}
			out.Snippet = lineOf(folder, d.Subject)
		}
		v.Diagnostics = append(v.Diagnostics, out)
	}
	enc := json.NewEncoder(c.Out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	if !v.Valid {
		return exit(exitError)
	}
	return nil
}

func lineOf(folder *lang.Folder, at *hcl.Range) string {
	f := folder.Files[at.Filename]
	if f == nil {
		return ""
	}
	lines := hcl.NewRangeScanner(f.Bytes, at.Filename, bufio.ScanLines)
	for lines.Scan() {
		if r := lines.Range(); r.Start.Line == at.Start.Line {
			return string(lines.Bytes())
		}
	}
	return ""
}
