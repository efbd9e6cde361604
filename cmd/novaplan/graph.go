package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

func newGraph(c *console) *cobra.Command {
	var flags planFlags
	var operations bool
	cmd := &cobra.Command{
		Use:   "graph [DIR]",
		Short: "Draw what refers to what, in DOT",
		Long:  "Graph writes the blocks of the spec and their references, or with -plan the operations of the plan and their order,\nfor Graphviz.",
		Example: `  novaplan graph | dot -Tsvg > spec.svg
  novaplan graph -plan -simulate | dot -Tsvg > plan.svg`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if operations {
				p, err := c.makePlan(cmd.Context(), folderOf(args), &flags, keyToLook)
				if err != nil {
					return err
				}
				defer p.session.close()
				return render.Graph(c.Out, p.plan)
			}
			folder, err := flags.load(cmd.Context(), c, folderOf(args))
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.Out, folder.Graph().DOT())
			return err
		},
	}
	flags.addSimulate(cmd)
	cmd.Flags().BoolVar(&operations, "plan", false, "the operations of the plan")
	return cmd
}
