package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells are those that a completion script can be written for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion(c *console) *cobra.Command {
	var plain bool
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write a script that completes commands and flags",
		Long: `Completion writes a script for bash, zsh, fish or powershell to standard output. The one for bash needs the package
bash-completion.`,
		Example: `  novaplan completion bash > /etc/bash_completion.d/novaplan
  novaplan completion zsh > "${fpath[1]}/_novaplan"
  novaplan completion fish > ~/.config/fish/completions/novaplan.fish
  source <(novaplan completion bash)                # in this shell only`,
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(shells, args[0]) {
				return nil
			}
			text := "completion takes one argument, the shell: " + strings.Join(shells, ", ")
			if len(args) == 1 {
				text = fmt.Sprintf("there is no completion for %q; there is for %s", args[0], strings.Join(shells, ", "))
			}
			return usage(cmd, text)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return complete(cmd.Root(), args[0], !plain, c.Out)
		},
	}
	cmd.Flags().BoolVar(&plain, "no-descriptions", false, "complete names only")
	return cmd
}

func complete(root *cobra.Command, shell string, describe bool, w io.Writer) error {
	switch {
	case shell == "bash":
		return root.GenBashCompletionV2(w, describe)
	case shell == "zsh" && describe:
		return root.GenZshCompletion(w)
	case shell == "zsh":
		return root.GenZshCompletionNoDesc(w)
	case shell == "fish":
		return root.GenFishCompletion(w, describe)
	case describe:
		return root.GenPowerShellCompletionWithDesc(w)
	}
	return root.GenPowerShellCompletion(w)
}
