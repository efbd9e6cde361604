package main

import (
	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

func newDoctor(c *console) *cobra.Command {
	var flags specFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [DIR]",
		Short: "Check the hosts, and say how to mend what is wrong",
		Long: `Doctor checks every host: whether it answers, versions, virtualisation, pools, networks, lock manager, CPU
baseline, claim; and between each two hosts the login and ports of a migration. For each failure it
shows the command that mends it. Nothing is changed.`,
		Example: "  novaplan doctor\n  novaplan doctor -json",
		Args:    atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := c.look(cmd.Context(), folderOf(args), &flags, "doctor")
			if err != nil {
				return err
			}
			defer p.session.close()
			r, err := p.session.Doctor(cmd.Context(), wire.DoctorRequest{Spec: p.request.Spec})
			if err != nil {
				return err
			}
			names := map[string]string{}
			for i := range p.spec.Hosts {
				names[string(p.spec.Hosts[i].Address)] = p.spec.Hosts[i].Name
			}
			if asJSON {
				err = writeJSON(c.Out, r)
			} else {
				err = render.Doctor(c.Out, r, names, render.Options{Palette: c.palette(c.Out)})
			}
			if err == nil && r.Failed() > 0 {
				return exit(exitError)
			}
			return err
		},
	}
	flags.addSimulate(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}
