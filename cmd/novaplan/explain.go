package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
	"github.com/novaplan/novaplan/spec"
)

func newExplain(c *console) *cobra.Command {
	var flags specFlags
	var format string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain ADDRESS [DIR]",
		Short: "Say why an instance is where it is, or where it would go",
		Long: `Explain shows what put an instance where it is, what the plan does to it, which filter removed which hosts and
why, which host came closest, and how the others were weighed.`,
		Example: `  novaplan explain 'instance.web[2]'
  novaplan explain 'instance.db["standby"]' -o wide`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "explain wants an address, such as instance.web[0]")
			}
			return atMost(2, "an address and a folder")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := instanceAddress(cmd, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				format = "json"
			}
			if format != "table" && format != "wide" && format != "json" {
				return usage(cmd, fmt.Sprintf("-o %s: want table, wide or json", format))
			}
			p, err := c.look(cmd.Context(), folderOf(args[1:]), &flags, "explain")
			if err != nil {
				return err
			}
			defer p.session.close()
			e, err := p.session.Explain(cmd.Context(), wire.ExplainRequest{Spec: p.request.Spec, Address: address})
			if err != nil {
				return nearAddress(err, address, p.spec)
			}
			if format == "json" {
				return writeJSON(c.Out, e)
			}
			return render.Explain(c.Out, e, render.Options{Palette: c.palette(c.Out), Wide: format == "wide"})
		},
	}
	flags.addSimulate(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as -o json")
	cmd.Flags().StringVarP(&format, "o", "o", "table", "table, wide or json")
	return cmd
}

// instanceAddress checks an address before anything is loaded. What shells leave of quotes is understood.
func instanceAddress(cmd *cobra.Command, text string) (string, error) {
	a, err := spec.ParseAddress(requote(text))
	if err != nil {
		return "", usage(cmd, err.Error())
	}
	if a.Kind() != "instance" {
		return "", usage(cmd, fmt.Sprintf("%s is no instance; want an address such as instance.web[0]", a))
	}
	return string(a), nil
}
