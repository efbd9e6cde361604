package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/seal"
)

func newServerKey(c *console) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "key -out FILE",
		Short: "Make the key that the servers' secrets are sealed with",
		Long: `Key makes a random key for secrets_key. All members get the same file, mode 0600, and nobody else: whoever has it and the
record can read the secrets in specs. A single server makes its own.`,
		Example: "  novaplan server key -out secrets.key",
		Args:    atMost(0, "no arguments: the file is -out"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usage(cmd, "-out wants the file to write")
			}
			if _, err := os.Lstat(file); err == nil {
				return fmt.Errorf("%s exists already: what was sealed with it can't be read with another", file)
			}
			if _, err := seal.LoadOrCreateFile(file); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.Out, "%s  key, mode 0600\n", file)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "out", "", "`FILE` to write")
	return cmd
}
