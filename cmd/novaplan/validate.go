package main

import (
	"fmt"

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
		Long:  "Validate loads the spec in a folder and reports every mistake in one run, also in the format of local\nimages that are there. No host is asked, nothing is written.",
		Example: `  novaplan validate
  novaplan validate -json examples/quickstart   # for editors`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(c)
			if err != nil {
				return err
			}
			folder, diags := lang.Load(cmd.Context(), folderOf(args), opts)
			if !diags.HasErrors() {
				diags = diags.Extend(inspectImages(folder))
			}
			if asJSON {
				if err := lang.WriteJSON(c.Out, diags, folder.Files); err != nil {
					return err
				}
				if diags.HasErrors() {
					return exit(exitError)
				}
				return nil
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
