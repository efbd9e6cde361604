package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
)

func newConsole(c *console) *cobra.Command {
	var flags specFlags
	var force, log bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "console ADDRESS [DIR]",
		Short: "Connect to an instance's serial port",
		Long: `Console connects this terminal to the serial port of an instance, wherever it runs. Leave with Ctrl-] or, at the
beginning of a line, with ~. as in ssh.

Only one can be connected; -force takes over. With -log it only prints what the guest says, for a while.`,
		Example: `  novaplan console 'instance.web[0]'
  novaplan console -log 'instance.web[0]'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "console wants an address, such as instance.web[0]")
			}
			return atMost(2, "an address and a folder")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := instanceAddress(cmd, args[0])
			if err != nil {
				return err
			}
			p, err := c.prepare(cmd.Context(), folderOf(args[1:]), &flags, "console")
			if err != nil {
				return err
			}
			if p.session, err = reach(cmd.Context(), p.place); err != nil {
				return err
			}
			defer p.session.close()
			port, err := p.session.Console(cmd.Context(), address, force)
			if err != nil {
				return nearAddress(err, address, p.spec)
			}
			defer port.Close()
			if log {
				return c.listen(cmd.Context(), address, port, wait)
			}
			return c.attach(address, port)
		},
	}
	flags.addSimulate(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "disconnect whoever is connected")
	cmd.Flags().BoolVar(&log, "log", false, "only print what the guest says, and type nothing")
	cmd.Flags().DurationVar(&wait, "for", 4*time.Second, "with -log: how long to listen")
	return cmd
}

// listen prints what comes until the time is over, and says so when nothing came.
func (c *console) listen(ctx context.Context, address string, port io.ReadWriteCloser, wait time.Duration) error {
	stop := time.AfterFunc(wait, func() { port.Close() })
	defer stop.Stop()
	end := context.AfterFunc(ctx, func() { port.Close() })
	defer end()
	said, err := io.Copy(c.Out, port)
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("console: %w", err)
	}
	if said == 0 && ctx.Err() == nil {
		c.note("%s said nothing on its serial port within %s. -for listens longer; without -log, press Enter to wake a login.", address, wait)
	}
	return ctx.Err()
}

// attach connects the terminal until somebody leaves.
func (c *console) attach(address string, port io.ReadWriteCloser) error {
	if in, ok := c.In.(*os.File); ok && term.IsTerminal(in.Fd()) {
		c.note("Connected to %s. Leave with Ctrl-] or ~.", address)
		old, err := term.MakeRaw(in.Fd())
		if err != nil {
			return fmt.Errorf("console: %w", err)
		}
		defer func() { _ = term.Restore(in.Fd(), old); c.note("") }()
	}
	done := make(chan error, 2)
	go func() { _, err := io.Copy(c.Out, port); done <- err }()
	go func() { done <- typed(port, c.In) }()
	err := <-done
	port.Close()
	if err == nil || errors.Is(err, errLeft) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("console: %w", err)
}

var errLeft = errors.New("left")

// leaveKey is Ctrl-], as in telnet and virsh.
const leaveKey = 0x1d

// typed copies what is typed until the escape: Ctrl-], or ~. at the beginning of a line. ~~ is one ~.
func typed(port io.Writer, in io.Reader) error {
	buf := make([]byte, 1024)
	escape := escapes{begin: true}
	for {
		n, err := in.Read(buf)
		out, left := escape.filter(buf[:n])
		if _, err := port.Write(out); err != nil {
			return err
		}
		if left {
			return errLeft
		}
		if err != nil {
			return err
		}
	}
}

// escapes looks for the escape in what is typed.
type escapes struct {
	begin bool // at the beginning of a line
	tilde bool // a ~ at the beginning was held back
}

func (e *escapes) filter(in []byte) (out []byte, left bool) {
	var b bytes.Buffer
	for _, ch := range in {
		if ch == leaveKey || e.tilde && ch == '.' {
			return b.Bytes(), true
		}
		if e.tilde {
			e.tilde = false
			if ch != '~' {
				b.WriteByte('~')
			}
		} else if e.begin && ch == '~' {
			e.tilde = true
			continue
		}
		b.WriteByte(ch)
		e.begin = ch == '\r' || ch == '\n'
	}
	return b.Bytes(), false
}
