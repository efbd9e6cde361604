package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// doubleDashes lets long flags be written with one dash, as Terraform's users write them: -out=x
// becomes --out=x. What stands after -- is left alone, and so is -o, which is a short flag.
func doubleDashes(args []string) []string {
	short := shorthands()
	out := make([]string, len(args))
	for i, a := range args {
		if a == "--" {
			copy(out[i:], args[i:])
			break
		}
		out[i] = a
		if len(a) < 3 || a[0] != '-' || a[1] == '-' {
			continue
		}
		name, _, _ := strings.Cut(a[1:], "=")
		if len(name) > 1 && !short[a] {
			out[i] = "-" + a
		}
	}
	return out
}

// shorthands returns the short flags that take a value written right behind them: -ojson.
func shorthands() map[string]bool {
	known := map[string]bool{}
	for _, format := range []string{"table", "wide", "json", "yaml", "text"} {
		known["-o"+format] = true
	}
	return known
}

// suggestFlag adds "did you mean" to an unknown flag, and says it with one dash.
func suggestFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(cmd, wrongFlag(err))
	}
	name := unknown.GetSpecifiedName()
	best, least := "", min(4, 1+len(name)/2)
	if known := flagElsewhere(name); known != "" && cmd.Flags().Lookup(known) != nil {
		best, least = known, 0
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := levenshtein.Distance(name, f.Name, nil); d < least && !f.Hidden {
			best, least = f.Name, d
		}
	})
	text := "unknown flag -" + name
	if best != "" {
		text += "; did you mean -" + best + "?"
	}
	return usage(cmd, text)
}

// wrongFlag says what is wrong with a flag's value in our words.
func wrongFlag(err error) string {
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &missing):
		return fmt.Sprintf("-%s wants a value", missing.GetSpecifiedName())
	case errors.As(err, &value):
		f := value.GetFlag()
		want := map[string]string{"int": "a number", "bool": "true or false", "duration": `a duration such as "10s"`}[f.Value.Type()]
		if want == "" {
			want = "another value"
		}
		return fmt.Sprintf("-%s %s: want %s", f.Name, value.GetValue(), want)
	}
	return err.Error()
}

// errorOf takes what the message says anyway off a file's error.
func errorOf(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
