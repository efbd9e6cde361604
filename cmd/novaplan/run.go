package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/charmbracelet/colorprofile"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

// The exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitChanges     = 2   // plan -detailed-exitcode
	exitUnformatted = 3   // fmt -check
	exitInterrupted = 130 // Ctrl-C
)

// console is what a command talks to: data goes to Out, everything else to Err.
type console struct {
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Env     []string
	NoColor bool
	Addr    string // of the server, see remote.go
}

// exit is an error that only carries an exit code: everything was said already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// run carries out one command line and returns the exit code. No panic leaves it.
func run(ctx context.Context, args []string, c *console) (code int) {
	defer func() {
		if v := recover(); v != nil {
			code = c.bug(v, debug.Stack())
		}
	}()
	ctx, stop := onSignals(ctx)
	defer stop()
	root := newRoot(c)
	root.SetArgs(doubleDashes(args))
	err := root.ExecuteContext(ctx)
	return c.conclude(ctx, err)
}

// onSignals ends the context at the first signal. Commands that have running work to finish watch
// signals themselves.
func onSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

func (c *console) conclude(ctx context.Context, err error) int {
	var code exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	c.fail(err)
	if errors.Is(err, context.Canceled) || ctx.Err() != nil {
		return exitInterrupted
	}
	return exitError
}

// fail writes an error with its details.
func (c *console) fail(err error) {
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(c.Err, "Interrupted.")
		return
	}
	fmt.Fprintf(c.Err, "%s %s\n", c.palette(c.Err).Bad("Error:"), sentence(err.Error()))
	var detailed *wire.Error
	if errors.As(err, &detailed) {
		for _, d := range detailed.Detail {
			fmt.Fprintf(c.Err, "  %s\n", d)
		}
	}
}

// sentence keeps an error's text as it is, but takes off what only programs need.
func sentence(s string) string { return strings.TrimSpace(s) }

// bug says that novaplan itself failed and keeps the stack in a file instead of on the terminal.
func (c *console) bug(value any, stack []byte) int {
	fmt.Fprintf(c.Err, "Error: this is a bug of novaplan %s: %v\n", version, value)
	path := filepath.Join(os.TempDir(), fmt.Sprintf("novaplan-bug-%d.txt", os.Getpid()))
	if err := os.WriteFile(path, fmt.Appendf(nil, "novaplan %s %s\n%v\n\n%s", version, commit, value, stack), 0o600); err == nil {
		fmt.Fprintf(c.Err, "  Please report it with %s. What was under way is finished by the next apply.\n", path)
	}
	return exitError
}

// palette has colours when w is a terminal that wants them.
func (c *console) palette(w io.Writer) render.Palette {
	if c.NoColor || colorprofile.Detect(w, c.Env) < colorprofile.ANSI {
		return render.Palette{}
	}
	return render.Colours()
}

// note writes a message beside the data.
func (c *console) note(format string, args ...any) { fmt.Fprintf(c.Err, format+"\n", args...) }

// env looks a variable up.
func (c *console) env(name string) string {
	for _, e := range c.Env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
