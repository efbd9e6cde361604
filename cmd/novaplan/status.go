package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

func newStatus(c *console) *cobra.Command {
	var flags specFlags
	var format string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Show hosts, instances, and what is pending",
		Long: `Status looks at the hosts and shows what is there: hosts with what is used of what may be promised at their
ratios, instances with host, state and address, operations that are not finished, and the trash. While another
command works here, it says so, and what each instance is going through.`,
		Example: `  novaplan status
  novaplan status -o wide
  novaplan status -o json | jq '.instances[] | select(.state != .wanted)'`,
		Args: atMost(1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				format = "json"
			}
			switch format {
			case "table", "wide", "json", "yaml":
			default:
				return usage(cmd, fmt.Sprintf("-o %s: want table, wide, json or yaml", format))
			}
			p, err := c.look(cmd.Context(), folderOf(args), &flags, "status")
			var refused exit
			if errors.As(err, &refused) {
				return c.statusInForce(cmd.Context(), folderOf(args), flags.simulate, format, refused)
			}
			if err != nil {
				return err
			}
			defer p.session.close()
			s, err := p.session.Status(cmd.Context(), wire.StatusRequest{Spec: p.request.Spec})
			if err != nil {
				return err
			}
			return c.showStatus(s, format)
		},
	}
	flags.addSimulate(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as -o json")
	cmd.Flags().StringVarP(&format, "o", "o", "table", "table, wide, json or yaml")
	return cmd
}

// statusInForce shows what is there by the spec in force, because the folder's was refused: what is wrong with it
// was said.
func (c *console) statusInForce(ctx context.Context, dir string, simulate bool, format string, refused exit) error {
	session, err := c.visitRecord(ctx, dir, simulate, "status")
	if err != nil {
		return refused // there is none
	}
	defer session.close()
	s, err := session.Status(ctx, wire.StatusRequest{})
	if err != nil || s.Revision == 0 {
		return refused
	}
	c.note("The spec has mistakes. This is the last good one, which stays in force:")
	if err := c.showStatus(s, format); err != nil {
		return err
	}
	return refused
}

// look loads a folder and reaches its controller, only to read.
func (c *console) look(ctx context.Context, dir string, flags *specFlags, command string) (*planned, error) {
	p, err := c.prepare(ctx, dir, flags, command)
	if err != nil {
		return nil, err
	}
	if p.session, err = reach(ctx, p.place); err != nil {
		return nil, err
	}
	if err := p.send(ctx, keyToLook); err != nil {
		_ = p.session.close()
		return nil, err
	}
	return p, nil
}

func (c *console) showStatus(s *wire.Status, format string) error {
	switch format {
	case "json":
		return writeJSON(c.Out, s)
	case "yaml":
		return writeYAML(c.Out, s)
	}
	return render.Status(c.Out, s, render.Options{Palette: c.palette(c.Out), Wide: format == "wide"})
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeYAML writes the JSON document in YAML's clothes: names and order are the same.
func writeYAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(data, &node); err != nil {
		return err
	}
	blockStyle(&node)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

// blockStyle takes JSON's braces and quotes off; what needs quotes gets them again.
func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}
