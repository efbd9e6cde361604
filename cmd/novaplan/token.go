package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

func newToken(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens of a server",
		Long: `Tokens let programs and people use a server: NOVAPLAN_TOKEN holds one. A viewer reads everything, plans included;
an operator changes the fleet; an admin makes tokens and keeps the servers. The server has only a hash of each.`,
		Args: atMost(0, "a subcommand"),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenBootstrap(c), newTokenCreate(c), newTokenList(c), newTokenRevoke(c))
	return cmd
}

// atServer runs a command that only a server has.
func (c *console) atServer(cmd *cobra.Command, do func(*session) error) error {
	server := c.server()
	if server == nil {
		return &wire.Error{
			Code: api.CodeInvalid, Message: "which server?",
			Detail: []string{"Name it with -addr or " + envAddr + ": https://HOST:PORT, or on its own machine the path of its socket."},
		}
	}
	s, err := connect(cmd.Context(), server)
	if err != nil {
		return err
	}
	defer s.close()
	return do(s)
}

func newTokenBootstrap(c *console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bootstrap",
		Short: "Make the first token, an admin's; once",
		Long: `Bootstrap makes the first token. It works once, for root or the server's user on its machine, through its socket, or
with an admin's certificate.`,
		Example: "  novaplan token bootstrap -addr /var/lib/novaplan/sock",
		Args:    atMost(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.atServer(cmd, func(s *session) error {
				t, err := s.Bootstrap(cmd.Context())
				if err != nil {
					return err
				}
				return c.showSecret(t, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}

func newTokenCreate(c *console) *cobra.Command {
	var req wire.TokenRequest
	var expires time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Make a token and show its secret, this once",
		Example: "  novaplan token create -role viewer -name ci -expires 720h",
		Args:    atMost(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch req.Role {
			case "viewer", "operator", "admin":
			default:
				return usage(cmd, fmt.Sprintf("-role %q: want viewer, operator or admin", req.Role))
			}
			if req.Name == "" {
				return usage(cmd, "-name says whose it is: the history shows it")
			}
			if expires < 0 || expires > 0 && expires < time.Second {
				return usage(cmd, fmt.Sprintf("-expires %s: want a second or more", expires))
			}
			req.Seconds = int64(expires / time.Second)
			return c.atServer(cmd, func(s *session) error {
				t, err := s.CreateToken(cmd.Context(), req)
				if err != nil {
					return err
				}
				return c.showSecret(t, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&req.Role, "role", "", "viewer, operator or admin")
	cmd.Flags().StringVar(&req.Name, "name", "", "whose it is, for the history")
	cmd.Flags().DurationVar(&expires, "expires", 0, "how long it lets anybody in, such as 720h; 0: until it is revoked")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}

// showSecret writes the secret alone to standard output, so that it can be kept without being seen.
func (c *console) showSecret(t *wire.NewToken, asJSON bool) error {
	if asJSON {
		return writeJSON(c.Out, t)
	}
	until := "until it is revoked"
	if !t.Expires.IsZero() {
		until = "until " + t.Expires.Local().Format(timeFormat)
	}
	c.note("Token %s for %s, %s, %s. It can't be shown again:", t.ID, t.Name, t.Role, until)
	_, err := fmt.Fprintln(c.Out, t.Secret)
	return err
}

func newTokenList(c *console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without their secrets",
		Args:  atMost(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.atServer(cmd, func(s *session) error {
				list, err := s.Tokens(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(c.Out, list)
				}
				var table render.Table
				table.Row("ID", "NAME", "ROLE", "CREATED", "EXPIRES", "STATE")
				for _, t := range list.Tokens {
					table.Row(t.ID, printable(t.Name), t.Role, t.Created.Local().Format(timeFormat), tokenEnd(&t), tokenState(&t))
				}
				_, err = fmt.Fprint(c.Out, table.String())
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}

func tokenEnd(t *wire.Token) string {
	if t.Expires.IsZero() {
		return "never"
	}
	return t.Expires.Local().Format(timeFormat)
}

func tokenState(t *wire.Token) string {
	switch {
	case t.Live:
		return "live"
	case !t.Revoked.IsZero():
		return "revoked"
	}
	return "expired"
}

func newTokenRevoke(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a token at once",
		Example: "  novaplan token revoke 3f9a1c2b7d10",
		Args:    exactly("the id of a token; novaplan token list shows them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.atServer(cmd, func(s *session) error {
				if err := s.RevokeToken(cmd.Context(), args[0]); err != nil {
					return err
				}
				c.note("Revoked.")
				return nil
			})
		},
	}
}

func newOpenAPI(c *console) *cobra.Command {
	return &cobra.Command{
		Use:    "openapi",
		Short:  "Print the description of the HTTP API, OpenAPI 3.1",
		Args:   atMost(0, "no argument"),
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			doc, err := api.Document(version)
			if err == nil {
				_, err = c.Out.Write(doc)
			}
			return err
		},
	}
}

// writeLine writes one JSON object a line.
func writeLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
