package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/pki"
	"github.com/novaplan/novaplan/cluster/state"
)

// Where a server keeps things when nobody says otherwise.
const (
	defaultConfig  = "/etc/novaplan/server.hcl"
	defaultData    = "/var/lib/novaplan"
	defaultAddress = "127.0.0.1:8440"
	defaultGrace   = 30 * time.Second
)

// The ways in which /metrics answers.
const (
	metricsForAll  = "open"
	metricsForSome = "authenticated" // who may look at all, with a token or a certificate
	metricsOff     = "off"
)

// serverConfig is server.hcl, with defaults for what isn't in it.
type serverConfig struct {
	Name       string // of this member; with TLS the certificate's
	Fleet      string
	Mode       state.Mode
	DataDir    string
	Address    string
	Advertise  string
	Expect     int
	RetryJoin  []string
	Profile    cluster.Profile
	TLS        *pki.Files // nil: plain text
	SecretsKey string     // path; "": DataDir/secrets.key
	SpecDir    string
	SimDir     string // of simulated hosts; members on one machine share it
	Metrics    string
	LogLevel   slog.Level
	LogJSON    bool
	Grace      time.Duration

	at map[string]hcl.Range // where fields are set
}

// configCheck collects what is wrong with a configuration: every mistake is a diagnostic.
type configCheck struct {
	*serverConfig
	diags hcl.Diagnostics
}

// complete fills in defaults and checks what belongs together.
func (c *serverConfig) complete() hcl.Diagnostics {
	check := &configCheck{serverConfig: c}
	check.defaults()
	check.addresses()
	check.certificate()
	check.members()
	check.folders()
	return check.diags
}

func (c *configCheck) bad(field, summary, detail string, args ...any) {
	c.say(hcl.DiagError, field, summary, detail, args...)
}

func (c *configCheck) warn(field, summary, detail string, args ...any) {
	c.say(hcl.DiagWarning, field, summary, detail, args...)
}

func (c *configCheck) say(severity hcl.DiagnosticSeverity, field, summary, detail string, args ...any) {
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: fmt.Sprintf(detail, args...)}
	if at, ok := c.at[field]; ok {
		d.Subject = &at
	}
	c.diags = append(c.diags, d)
}

func (c *configCheck) defaults() {
	or := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	or(&c.Fleet, "default")
	or((*string)(&c.Mode), string(state.Real))
	or((*string)(&c.Profile), string(cluster.LAN))
	or(&c.Address, defaultAddress)
	or(&c.Metrics, metricsForSome)
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	or(&c.DataDir, os.Getenv("STATE_DIRECTORY")) // of systemd
	or(&c.DataDir, defaultData)
	or(&c.SimDir, filepath.Join(c.DataDir, "hosts"))
	or(&c.SecretsKey, filepath.Join(c.DataDir, "secrets.key"))
	if _, set := c.at["bootstrap_expect"]; !set && len(c.RetryJoin) == 0 {
		c.Expect = 1
	}
	if c.Name == "" && c.TLS == nil {
		c.Name, _ = os.Hostname()
		or(&c.Name, "server")
	}
}

func (c *configCheck) addresses() {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		c.bad("address", "Not an address", "%q: want HOST:PORT, such as 10.0.0.1:8440; port 0 is any free one.", c.Address)
		return
	}
	ip := net.ParseIP(host)
	local := host == "localhost" || ip != nil && ip.IsLoopback()
	if !local && c.TLS == nil {
		c.bad("address", "Others reach this address, and there is no certificate",
			"Plain text is for loopback only. Make certificates and name them here:\n"+
				"  novaplan tls ca create\n  novaplan tls cert create -server NAME -ip ADDRESS\n"+
				"  tls {\n    ca   = \"ca.pem\"\n    cert = \"server-NAME.pem\"\n    key  = \"server-NAME-key.pem\"\n  }\n"+
				"Or let it listen on 127.0.0.1:8440.")
	}
	if c.Advertise == "" && (host == "" || ip != nil && ip.IsUnspecified()) {
		c.bad("address", "No address that others can reach", "%s listens everywhere, so say which address other members and clients use: advertise = \"HOST:PORT\".", c.Address)
	}
	if c.Advertise != "" {
		if h, _, err := net.SplitHostPort(c.Advertise); err != nil || h == "" {
			c.bad("advertise", "Not an address", "%q: want HOST:PORT, as others reach this server.", c.Advertise)
		}
	}
	for _, a := range c.RetryJoin {
		if h, _, err := net.SplitHostPort(a); err != nil || h == "" {
			c.bad("retry_join", "Not an address", "%q: want HOST:PORT of another member.", a)
		}
	}
}

// renewSoon is when people begin to hear of a certificate's end.
const renewSoon = 30 * day

func (c *configCheck) certificate() {
	if c.TLS == nil {
		return
	}
	keeper, err := pki.Open(*c.TLS, nil, nil)
	if err != nil {
		c.bad("tls", "The certificate can't be used", "%s.", err)
		return
	}
	id := keeper.Identity()
	switch {
	case id.Role != pki.Server:
		c.bad("tls", "Not a server's certificate", "%s is for %s. Make one with novaplan tls cert create -server NAME.", c.TLS.Cert, id)
	case id.Fleet != pki.FleetLabel(c.Fleet):
		c.bad("tls", "A certificate of another fleet", "%s is for fleet %s, this server for fleet %s.", c.TLS.Cert, id.Fleet, c.Fleet)
	case c.Name != "" && c.Name != id.Name:
		c.bad("name", "Not the name in the certificate", "%s is for %q. Leave the name out here, or make a certificate for %q.", c.TLS.Cert, id.Name, c.Name)
	}
	c.Name = id.Name
	if left := time.Until(keeper.Expires()); left < renewSoon {
		c.warn("tls", "The certificate ends soon", "%s is good until %s. Renew it with novaplan tls cert create -server %s -force; no restart is needed.",
			c.TLS.Cert, keeper.Expires().Format(time.DateOnly), id.Name)
	}
	host, _, err := net.SplitHostPort(cmp.Or(c.Advertise, c.Address))
	if err == nil && host != "" && !pki.Covers(keeper.Certificate(), host) {
		c.warn("tls", "Clients can't call the server by its address",
			"%s isn't in %s. Members don't mind; for people make it again with -ip or -dns %s and -force.", host, c.TLS.Cert, host)
	}
}

var memberName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// mostMembers is how many members make sense: each write waits for a majority.
const mostMembers = 9

func (c *configCheck) members() {
	if c.Name != "" && !memberName.MatchString(c.Name) {
		c.bad("name", "Not a name", "%q: want letters, digits, dots, dashes and underscores.", c.Name)
	}
	switch {
	case c.Expect < 0 || c.Expect > mostMembers:
		c.bad("bootstrap_expect", "Not a number of members", "%d: want 0 to %d. 0 only ever joins, 1 begins alone, 3 survives the loss of one, 5 of two.", c.Expect, mostMembers)
	case c.Expect > 1 && len(c.RetryJoin) == 0:
		c.bad("bootstrap_expect", "The others are nowhere to be found", "%d members begin together, so each must know where the others are: retry_join = [\"HOST:PORT\", ...].", c.Expect)
	case c.Expect == 0 && len(c.RetryJoin) == 0:
		c.bad("bootstrap_expect", "Nobody to join", "With 0 this server only joins others: name them in retry_join.")
	case c.Expect > 0 && c.Expect%2 == 0:
		c.warn("bootstrap_expect", "An even number of members", "%d members survive the loss of no more of them than %d do.", c.Expect, c.Expect-1)
	}
}

func (c *configCheck) folders() {
	if c.SpecDir != "" {
		if info, err := os.Stat(c.SpecDir); err != nil {
			c.bad("spec_dir", "No such folder", "%s: %s.", c.SpecDir, errorOf(err))
		} else if !info.IsDir() {
			c.bad("spec_dir", "Not a folder", "%s is a file; name the folder that it is in.", c.SpecDir)
		}
	}
	if info, err := os.Stat(c.DataDir); err == nil && !info.IsDir() {
		c.bad("data_dir", "Not a folder", "%s is a file.", c.DataDir)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.bad("data_dir", "The folder can't be used", "%s: %s.", c.DataDir, errorOf(err))
	}
}
