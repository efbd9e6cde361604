package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/charmbracelet/x/term"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
)

// evaluateApart evaluates the folder dir in a child process. What is wrong with the spec is in the evaluation, a
// limit that it exceeds included; an error says that there was no evaluation at all. The returned spec is nil unless
// the folder is without mistakes. Its secrets are plain.
func (f *specFlags) evaluateApart(ctx context.Context, c *console, dir string, limits evaluationLimits) (*evaluation, *spec.Spec, error) {
	opts, err := f.options(c)
	if err != nil {
		return nil, nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	req := evaluationRequest{
		Dir: abs, Vars: opts.Vars, Version: opts.Version, Limits: limits,
		Color: c.palette(c.Err).Enabled(), Width: c.width(),
	}
	for _, path := range opts.VarFiles { // they are relative to where we are, and the child is elsewhere
		if path, err = filepath.Abs(path); err != nil {
			return nil, nil, err
		}
		req.VarFiles = append(req.VarFiles, path)
	}
	for _, e := range opts.Env {
		if strings.HasPrefix(e, lang.EnvPrefix) {
			req.Env = append(req.Env, e)
		}
	}
	doc, err := req.runChild(ctx)
	if err != nil || doc.Spec == nil {
		return doc, nil, err
	}
	s, err := api.DecodeSpec(doc.Spec)
	if err != nil {
		return nil, nil, fmt.Errorf("evaluate %s: %w", dir, err)
	}
	eachSecret(s, unbare)
	return doc, s, nil
}

// width of the terminal that messages go to; 0 when it is none.
func (c *console) width() int {
	if f, ok := c.Err.(*os.File); ok {
		if w, _, err := term.GetSize(f.Fd()); err == nil {
			return min(w, 120)
		}
	}
	return 0
}

// runChild starts the child, feeds it and takes what it says.
func (r *evaluationRequest) runChild(ctx context.Context) (*evaluation, error) {
	input, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Limits.wall())
	defer cancel()
	child := exec.CommandContext(ctx, "/proc/self/exe", "evaluate", "-dir", r.Dir)
	child.Args[0] = "novaplan"
	child.Env = []string{"GOTRACEBACK=none", "PATH=/nonexistent"}
	child.Dir = "/"
	child.Stdin = bytes.NewReader(input)
	var said head
	child.Stderr = &said
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate in a child process: %w", err)
	}
	document, readErr := io.ReadAll(io.LimitReader(out, r.Limits.resultBytes()+1))
	if int64(len(document)) > r.Limits.resultBytes() {
		cancel()
		_ = child.Wait()
		return r.exceeded("its result is limited to %d MiB", r.Limits.resultBytes()>>20), nil
	}
	waitErr := child.Wait()
	if why := r.limitHit(ctx, waitErr, said.String()); why != "" {
		return r.exceeded("%s", why), nil
	}
	if err := errors.Join(readErr, waitErr); err != nil {
		return nil, fmt.Errorf("evaluate in a child process: %w: %s", err, said.String())
	}
	doc := new(evaluation)
	if err := json.Unmarshal(document, doc); err != nil || doc.Format != evaluationFormat {
		return nil, fmt.Errorf("evaluate in a child process: it wrote no %s", evaluationFormat)
	}
	return doc, nil
}

// limitHit says which limit ended the child; "" when none did.
func (r *evaluationRequest) limitHit(ctx context.Context, err error, said string) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return ""
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Sprintf("evaluating the folder is limited to %v in all", r.Limits.wall())
	case ctx.Err() != nil:
		return ""
	case exit.ExitCode() == exitCPU, status.Signaled() && status.Signal() == syscall.SIGXCPU:
		return fmt.Sprintf("evaluating the folder is limited to %d s of CPU time", r.Limits.CPUSeconds)
	case exit.ExitCode() == exitMemory, r.nearlyFull(exit), strings.Contains(said, "out of memory"),
		status.Signaled() && status.Signal() == syscall.SIGKILL: // by the kernel, when the machine has no more
		return fmt.Sprintf("evaluating the folder is limited to %d MiB of memory", r.Limits.MemoryMiB)
	}
	return ""
}

// nearlyFull: whatever else a program says that gets no more memory, it had used most of what it may have.
func (r *evaluationRequest) nearlyFull(exit *exec.ExitError) bool {
	usage, ok := exit.SysUsage().(*syscall.Rusage)
	return ok && usage.Maxrss >= int64(r.Limits.MemoryMiB)<<10
}

// exceeded is the evaluation of a folder that goes beyond a limit.
func (r *evaluationRequest) exceeded(format string, args ...any) *evaluation {
	d := lang.DiagnosticJSON{Severity: "error", Summary: "Limit exceeded",
		Detail: fmt.Sprintf("To keep a spec from taking the controller down, "+format+", and this one goes beyond.", args...)}
	return &evaluation{
		Format: evaluationFormat, Text: fmt.Sprintf("Error: %s\n\n%s\n\n", d.Summary, d.Detail),
		Diagnostics: lang.DiagnosticsJSON{FormatVersion: "1.0", ErrorCount: 1, Diagnostics: []lang.DiagnosticJSON{d}},
	}
}

// head keeps the first few lines of what a child says; the rest is nobody's concern.
type head struct{ bytes.Buffer }

func (t *head) Write(p []byte) (int, error) {
	const most = 4 << 10
	if room := most - t.Len(); room > 0 {
		t.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
