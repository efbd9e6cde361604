package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

const rootLong = `novaplan plans and builds fleets of virtual machines on libvirt hosts.

Describe hosts, images, networks and instances in *.np.hcl files; novaplan picks the hosts, shows what
it would do and why, and does it. Empty a host by writing mode = "drain" at it.`

const rootExample = `  novaplan plan              # what would be done for the spec in this folder, and why
  novaplan apply             # do it, after asking
  novaplan plan -simulate    # the same on simulated hosts: nothing real is touched
  novaplan status            # what is there`

func newRoot(c *console) *cobra.Command {
	var chdir string
	root := &cobra.Command{
		Use:                        "novaplan",
		Short:                      "Plan and build fleets of virtual machines",
		Long:                       rootLong,
		Example:                    rootExample,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if chdir == "" {
				return nil
			}
			if err := os.Chdir(chdir); err != nil {
				return fmt.Errorf("-chdir %s: %w", chdir, errorOf(err))
			}
			return nil
		},
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	root.SetFlagErrorFunc(suggestFlag)
	root.PersistentFlags().StringVar(&chdir, "chdir", "", "switch to `DIR` before anything else")
	root.PersistentFlags().StringVar(&c.Addr, "addr", "", "`ADDRESS` of a server, https://HOST:PORT or the path of a socket; several after commas (also NOVAPLAN_ADDR)")
	root.PersistentFlags().BoolVar(&c.NoColor, "no-color", false, "no colours (also NO_COLOR, TERM=dumb)")
	root.CompletionOptions.DisableDefaultCmd = true // ours is completion.go
	root.AddGroup(
		&cobra.Group{ID: "spec", Title: "The spec:"},
		&cobra.Group{ID: "fleet", Title: "The fleet:"},
		&cobra.Group{ID: "look", Title: "Looking around:"},
		&cobra.Group{ID: "server", Title: "Servers:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add("spec", newValidate(c), newFmt(c), newGraph(c))
	add("fleet", newPlan(c), newApply(c), newDestroy(c), newTakeover(c), newRollback(c), newApprove(c), newWatch(c))
	add("look", newStatus(c), newExplain(c), newConsole(c), newDoctor(c), newHistory(c), newDiff(c), newEvents(c))
	add("server", newServer(c), newOperator(c), newTLS(c), newToken(c))
	root.AddCommand(newVersion(c), newCompletion(c), newMan(root), newOpenAPI(c), newEvaluate(c))
	root.Version = version // -version, as Terraform's users write it
	root.SetVersionTemplate("novaplan {{.Version}}\n")
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q", name)
	if hint := elsewhere(name); hint != "" {
		return usage(cmd, text+": "+hint)
	}
	if near := cmd.Root().SuggestionsFor(name); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage(cmd, text)
}

// usage is a mistake on the command line: what is wrong, and where the help is.
func usage(cmd *cobra.Command, text string) error {
	return &wire.Error{Code: "usage", Message: text, Detail: []string{"See " + cmd.CommandPath() + " -help."}}
}

// atMost is cobra.MaximumNArgs in our words.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usage(cmd, fmt.Sprintf("too many arguments: %s takes at most %s; %q is left over", cmd.Name(), what, args[n]))
		}
		return nil
	}
}

// exactly one argument.
func exactly(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage(cmd, fmt.Sprintf("%s takes one argument: %s", cmd.Name(), what))
		}
		return nil
	}
}

// folderOf is the optional argument DIR.
func folderOf(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}
