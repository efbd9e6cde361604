package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/spec/lang"
)

const serverLong = `Server runs the controller as a service: alone, or as one of several members that keep the record together, any
minority of which may be lost. Commands reach it with -addr or NOVAPLAN_ADDR, on the same machine through its socket.

Its configuration is a file; an empty one makes a single server on loopback. SIGHUP reads certificates and the log level
again; SIGTERM hands over to another member, lets what is under way end for a while, and stops.`

func newServer(c *console) *cobra.Command {
	var file, restore string
	var check bool
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the controller as a service, alone or as one of several",
		Long:  serverLong,
		Example: `  novaplan server -check -config server.hcl   # every mistake in the configuration; nothing is started
  novaplan server -config server.hcl`,
		Args: atMost(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, files, diags := readServerConfig(file)
			if err := c.diagnose(&lang.Folder{Files: files}, diags); err != nil {
				return err
			}
			if check {
				_, err := fmt.Fprintf(c.Out, "The configuration is valid: %s.\n", conf.summary())
				return err
			}
			return c.serve(cmd.Context(), conf, file, restore)
		},
	}
	cmd.AddCommand(newServerKey(c))
	cmd.Flags().StringVar(&file, "config", defaultConfig, "configuration `FILE`")
	cmd.Flags().StringVar(&restore, "restore", "", "begin the cluster with a saved record, `FILE`; the other members join this one")
	cmd.Flags().BoolVar(&check, "check", false, "check the configuration and its certificates, start nothing")
	return cmd
}

// summary says in a line what the configuration makes of this machine.
func (c *serverConfig) summary() string {
	how := "plain text, this machine only"
	if c.TLS != nil {
		how = "TLS"
	}
	role := fmt.Sprintf("begins with %d members", c.Expect)
	switch {
	case c.Expect == 1:
		role = "begins alone"
	case c.Expect == 0:
		role = "joins others"
	}
	return fmt.Sprintf("server %s of fleet %s, %s (%s), %s, data in %s", c.Name, c.Fleet, c.Address, how, role, c.DataDir)
}
