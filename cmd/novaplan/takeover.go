package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/spec"
)

func newTakeover(c *console) *cobra.Command {
	var flags specFlags
	var approve bool
	var gone []string
	cmd := &cobra.Command{
		Use:   "takeover [DIR]",
		Short: "Rebuild a lost record from what runs on the hosts",
		Long: `Takeover makes the hosts of the spec this folder's, whoever claimed them before, and rebuilds the record from what
is stamped on their guests. It is for a lost or outdated .novaplan folder. Guests run on untouched.

A host that doesn't answer may hold guests that nobody knows of then. Until a later takeover has seen it nothing new is
created, so that no guest exists twice and no address is given away twice. Name it with -host-gone when it is off for
good or holds no guests of this fleet; that is recorded.

Make sure that no other novaplan works on these hosts: it would be locked out.`,
		Example: "  novaplan takeover\n  novaplan takeover -host-gone kvm2",
		Args:    atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			p, err := c.prepare(ctx, folderOf(args), &flags, "takeover")
			if err != nil {
				return err
			}
			addresses, err := hostsNamed(p.spec, gone)
			if err != nil {
				return err
			}
			if !approve {
				names := make([]string, len(p.spec.Hosts))
				for i := range p.spec.Hosts {
					names[i] = p.spec.Hosts[i].Name
				}
				if len(gone) > 0 {
					fmt.Fprintf(c.Err, "What ran on %s counts as gone: it may be created again elsewhere. If it still runs, it runs twice then.\n", strings.Join(gone, ", "))
				}
				fmt.Fprintf(c.Err, "Take over %s (%s) for fleet %q? Whatever else manages them is locked out. Type yes to go on: ",
					render.Count(len(names), "host"), strings.Join(names, " "), p.spec.Fleet)
				line, err := bufio.NewReader(c.In).ReadString('\n')
				if err != nil && line == "" {
					c.note("%s", noAnswer)
				}
				if strings.TrimSpace(line) != "yes" {
					c.note("Nothing was changed.")
					return exit(exitError)
				}
			}
			if p.session, err = take(ctx, p.place, cluster.Options{Fleet: p.spec.Fleet}, reconcile.Options{}); err != nil {
				return err
			}
			defer p.session.close()
			if err := p.send(ctx, keyAnew); err != nil {
				return err
			}
			s, err := p.session.Takeover(ctx, wire.TakeoverRequest{Spec: p.request.Spec, Gone: addresses, By: operator()})
			if err != nil {
				return err
			}
			c.note("Taken over. novaplan plan shows what differs from the spec.\n")
			return c.showStatus(s, "table")
		},
	}
	flags.addSimulate(cmd)
	cmd.Flags().StringArrayVar(&gone, "host-gone", nil, "a `host` that doesn't answer is off for good, or holds no guests of this fleet; may be repeated")
	cmd.Flags().BoolVar(&approve, "auto-approve", false, "don't ask")
	return cmd
}

// hostsNamed returns the addresses of hosts by name. One that left the spec is named by its address.
func hostsNamed(s *spec.Spec, names []string) ([]string, error) {
	var addresses []string
	for _, name := range names {
		address := name
		if !strings.HasPrefix(name, "host.") {
			address = ""
		}
		for i := range s.Hosts {
			if s.Hosts[i].Name == name {
				address = string(s.Hosts[i].Address)
			}
		}
		if address == "" {
			return nil, fmt.Errorf("-host-gone %s: the spec has no such host; one that left it is named by its address, like host.kvm2", name)
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}
