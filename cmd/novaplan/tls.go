package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/pki"
)

func newTLS(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tls",
		Short: "Certificates for servers and for who calls them",
		Long: `TLS makes the certificates of a fleet's servers. One authority signs them all: keep ca-key.pem where only you
can read it, not on the servers. Each server gets ca.pem, its own certificate and its own key; people and
programs get ca.pem and a token, or a certificate with a role.`,
		Example: `  novaplan tls ca create                                  # once per fleet: ca.pem, ca-key.pem
  novaplan tls cert create -server alpha -dns alpha.example.org -ip 10.0.0.1
  novaplan tls cert create -client alice -role operator
  novaplan tls cert show server-alpha.pem                 # who, which role, until when`,
		Args: noSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	authority := &cobra.Command{Use: "ca", Short: "The authority that signs a fleet's certificates", Args: noSubcommand, RunE: cmd.RunE}
	authority.AddCommand(newTLSAuthority(c))
	cert := &cobra.Command{Use: "cert", Short: "Certificates of servers, people and programs", Args: noSubcommand, RunE: cmd.RunE}
	cert.AddCommand(newTLSCert(c), newTLSShow(c))
	cmd.AddCommand(authority, cert)
	return cmd
}

// noSubcommand refuses what a command with subcommands doesn't know.
func noSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	names := make([]string, 0, len(cmd.Commands()))
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return usage(cmd, fmt.Sprintf("%s has no %q; it has %v", cmd.CommandPath(), args[0], names))
}

// pemFlags are what both commands that write certificates take.
type pemFlags struct {
	dir   string
	days  int
	force bool
}

func (f *pemFlags) add(cmd *cobra.Command, life time.Duration) {
	cmd.Flags().StringVar(&f.dir, "dir", ".", "write to, and find the authority in, `DIR`")
	cmd.Flags().IntVar(&f.days, "days", int(life/day), "valid for `N` days")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace files that exist")
}

const day = 24 * time.Hour

func (f *pemFlags) life(cmd *cobra.Command) (time.Duration, error) {
	const longest = 100 * 365
	if f.days < 1 || f.days > longest {
		return 0, usage(cmd, fmt.Sprintf("-days %d: want 1 to %d", f.days, longest))
	}
	return time.Duration(f.days) * day, nil
}

// write writes a pair and says so.
func (f *pemFlags) write(c *console, pair pki.Pair, cert, key string) error {
	cert, key = filepath.Join(f.dir, cert), filepath.Join(f.dir, key)
	err := pair.Write(cert, key, f.force)
	if errors.Is(err, pki.ErrExists) {
		return &wire.Error{Code: "exists", Message: err.Error(), Detail: []string{
			"Nothing was written. Use another -dir, or -force to replace it: what was made with the old one then no longer",
			"fits a new authority; a renewed certificate of the same authority takes the old one's place without a restart.",
		}}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%s  certificate, valid until %s\n%s  key, mode 0600\n", cert, pair.Cert.NotAfter.Format(time.DateOnly), key)
	return err
}

// The files of the authority.
const (
	caFile    = "ca.pem"
	caKeyFile = "ca-key.pem"
)

func newTLSAuthority(c *console) *cobra.Command {
	var flags pemFlags
	var fleet string
	var domains []string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make the authority of a fleet: ca.pem and ca-key.pem",
		Long: `Create makes the authority of a fleet. Its certificates are worth nothing in other fleets. With -domain it can
only sign servers' names in these domains, so that whoever steals its key can impersonate nothing else.`,
		Example: `  novaplan tls ca create
  novaplan tls ca create -fleet berlin -domain example.org -dir /root/novaplan-ca`,
		Args: atMost(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			life, err := flags.life(cmd)
			if err != nil {
				return err
			}
			authority, err := pki.NewAuthority(fleet, domains, time.Now(), life)
			if err != nil {
				return err
			}
			if err := flags.write(c, authority.Pair, caFile, caKeyFile); err != nil {
				return err
			}
			c.note("Next: novaplan tls cert create -server NAME -dns NAME -ip ADDRESS, once for each server. Keep %s away from servers.", caKeyFile)
			return nil
		},
	}
	flags.add(cmd, pki.AuthorityLife)
	cmd.Flags().StringVar(&fleet, "fleet", "default", "`NAME` of the fleet, as in novaplan { fleet }")
	cmd.Flags().StringArrayVar(&domains, "domain", nil, "sign names in this `DOMAIN` only; again for more")
	return cmd
}
