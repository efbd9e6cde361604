package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/pki"
)

// certFlags say what a certificate is for.
type certFlags struct {
	pemFlags
	server, client, role string
	dns, ips             []string
	ca, caKey            string
}

func newTLSCert(c *console) *cobra.Command {
	var flags certFlags
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a certificate and its key, signed by the authority",
		Long: `Create makes the certificate of a server, with the names and addresses that clients call it by (localhost is always
among them), or of a client, with the role it has: viewer looks and plans, operator applies, admin also keeps tokens and
members. To renew one, create it again with -force: servers read it without a restart.`,
		Example: `  novaplan tls cert create -server alpha -dns alpha.example.org -ip 10.0.0.1
  novaplan tls cert create -client ci -role viewer -days 90`,
		Args: atMost(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.request(cmd)
			if err != nil {
				return err
			}
			authority, err := flags.authority()
			if err != nil {
				return err
			}
			pair, err := authority.Issue(req, time.Now())
			if err != nil {
				return err
			}
			base := "client-" + req.Name
			if req.Role == pki.Server {
				base = "server-" + req.Name
			}
			return flags.write(c, pair, base+".pem", base+"-key.pem")
		},
	}
	flags.add(cmd, pki.CertificateLife)
	cmd.Flags().StringVar(&flags.server, "server", "", "for the server `NAME`")
	cmd.Flags().StringVar(&flags.client, "client", "", "for the person or program `NAME`")
	cmd.Flags().StringVar(&flags.role, "role", "", "of a client: viewer, operator or admin")
	cmd.Flags().StringArrayVar(&flags.dns, "dns", nil, "`NAME` that clients call the server by; again for more")
	cmd.Flags().StringArrayVar(&flags.ips, "ip", nil, "`ADDRESS` that clients call the server by; again for more")
	cmd.Flags().StringVar(&flags.ca, "ca", "", "certificate `FILE` of the authority (default DIR/ca.pem)")
	cmd.Flags().StringVar(&flags.caKey, "ca-key", "", "key `FILE` of the authority (default DIR/ca-key.pem)")
	return cmd
}

func (f *certFlags) request(cmd *cobra.Command) (pki.Request, error) {
	life, err := f.life(cmd)
	if err != nil {
		return pki.Request{}, err
	}
	switch {
	case (f.server == "") == (f.client == ""):
		return pki.Request{}, usage(cmd, "say whom it is for: -server NAME, or -client NAME -role ROLE")
	case f.client != "" && f.role == "":
		return pki.Request{}, usage(cmd, "-client wants a -role: viewer, operator or admin")
	case f.client != "" && !slices.Contains(pki.ClientRoles(), pki.Role(f.role)):
		return pki.Request{}, usage(cmd, fmt.Sprintf("-role %s: want viewer, operator or admin", f.role))
	case f.client != "":
		return pki.Request{Role: pki.Role(f.role), Name: f.client, Life: life}, nil
	case f.role != "":
		return pki.Request{}, usage(cmd, "-role is for clients; a server's role is server")
	}
	req := pki.Request{Role: pki.Server, Name: f.server, Life: life, DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	for _, name := range f.dns {
		if net.ParseIP(name) != nil {
			return req, usage(cmd, fmt.Sprintf("-dns %s is an address: use -ip", name))
		}
		if !slices.Contains(req.DNS, name) {
			req.DNS = append(req.DNS, name)
		}
	}
	for _, text := range f.ips {
		ip := net.ParseIP(text)
		if ip == nil {
			return req, usage(cmd, fmt.Sprintf("-ip %s is no address: use -dns for names", text))
		}
		if !slices.ContainsFunc(req.IPs, ip.Equal) {
			req.IPs = append(req.IPs, ip)
		}
	}
	return req, nil
}

func (f *certFlags) authority() (*pki.Authority, error) {
	cert, key := f.ca, f.caKey
	if cert == "" {
		cert = filepath.Join(f.dir, caFile)
	}
	if key == "" {
		key = filepath.Join(f.dir, caKeyFile)
	}
	authority, err := pki.LoadAuthority(cert, key)
	if err != nil {
		return nil, fmt.Errorf("the authority: %w (novaplan tls ca create makes one; -ca and -ca-key say where it is)", err)
	}
	return authority, nil
}

func newTLSShow(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE",
		Short:   "Say whom a certificate is for, which role it has, and until when",
		Long:    "Show reads certificates. It exits with an error when one of them has expired.",
		Example: "  novaplan tls cert show server-alpha.pem",
		Args:    exactly("the file of a certificate"),
		RunE: func(_ *cobra.Command, args []string) error {
			certs, err := pki.ReadCertificates(args[0])
			if err != nil {
				return err
			}
			expired := 0
			for i, cert := range certs {
				if i > 0 {
					fmt.Fprintln(c.Out)
				}
				if err := c.showCertificate(cert, time.Now()); err != nil {
					return err
				}
				if time.Now().After(cert.NotAfter) {
					expired++
				}
			}
			if expired > 0 {
				return exit(exitError)
			}
			return nil
		},
	}
}

func (c *console) showCertificate(cert *x509.Certificate, now time.Time) error {
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	line := func(what, value string) { fmt.Fprintf(w, "%s\t%s\n", what, value) }
	switch id, err := pki.FromCertificate(cert); {
	case cert.IsCA:
		line("for", "the authority of fleet "+(&pki.Authority{Pair: pki.Pair{Cert: cert}}).Fleet())
		if len(cert.PermittedDNSDomains) > 0 {
			line("domains", strings.Join(cert.PermittedDNSDomains, ", "))
		}
	case err != nil:
		line("for", cert.Subject.String()+" (no certificate of novaplan)")
	default:
		line("for", id.Name)
		line("role", string(id.Role))
		line("fleet", id.Fleet)
		line("signed by", cert.Issuer.CommonName)
	}
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) > 0 {
		line("called", strings.Join(names, ", "))
	}
	line("from", cert.NotBefore.UTC().Format(time.DateTime))
	line("until", cert.NotAfter.UTC().Format(time.DateTime)+untilWords(cert, now))
	line("serial", cert.SerialNumber.Text(16))
	return w.Flush()
}

func untilWords(cert *x509.Certificate, now time.Time) string {
	left := int(cert.NotAfter.Sub(now) / day)
	switch {
	case now.After(cert.NotAfter):
		return " (expired: create it again with -force)"
	case now.Before(cert.NotBefore):
		return " (not valid yet: is the clock right?)"
	case left == 1:
		return " (1 day left)"
	}
	return fmt.Sprintf(" (%d days left)", left)
}
