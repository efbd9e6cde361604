package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Usage describes the fault language of Do.
const Usage = `down|cut|hang|up HOST              condition of the host
fail|drop|lose HOST METHOD          the call fails; gets lost; takes effect, its answer gets lost
delay|late HOST METHOD DURATION     takes effect and answers later; ErrUnknown now, effect later
stick|break HOST                    migrations from HOST never end; fail half way
deaf|hears HOST [UUID]              guests ignore the power button; heed it again
full|free HOST [POOL]               the pool has no space; has space again
unmount|mount HOST POOL             a shared pool vanishes from the host; is back
unplug|plug HOST NETWORK            a bridge or libvirt network vanishes from the host; is back
clear [HOST]                        no more faults in calls
HOST and METHOD may be *; METHOD event loses events (drop). Faults of calls may end with xN (N times), p=0.N (chance) and
err=KIND (refused, state, notfound, exists, nospace, unreachable, unsupported).`

var failures = map[string]error{
	"refused":     hypervisor.ErrRefused,
	"state":       hypervisor.ErrState,
	"notfound":    hypervisor.ErrNotFound,
	"exists":      hypervisor.ErrExists,
	"nospace":     hypervisor.ErrNoSpace,
	"unreachable": hypervisor.ErrUnreachable,
	"unsupported": hypervisor.ErrUnsupported,
}

// Do carries out one line of the fault language that Usage describes, as scenario scripts have it.
func (w *World) Do(line string) error {
	words := strings.Fields(line)
	if len(words) == 0 {
		return fmt.Errorf("simulated fault: empty line")
	}
	if err := w.do(words[0], words[1:]); err != nil {
		return fmt.Errorf("simulated fault %q: %w", line, err)
	}
	return nil
}

func (w *World) do(verb string, args []string) error {
	switch verb {
	case "clear":
		w.ClearFaults(strings.Join(args, " "))
		return nil
	case "fail", "drop", "lose", "delay", "late", "stick", "break":
		f, err := parseFault(FaultKind(verb), args)
		if err == nil {
			w.Inject(f)
		}
		return err
	}
	if len(args) == 0 || len(args) > 2 {
		return fmt.Errorf("want %s HOST and at most one more word", verb)
	}
	rest := strings.Join(args[1:], "")
	switch verb {
	case "down", "cut", "hang", "up":
		conditions := map[string]Condition{"down": Down, "cut": Cut, "hang": Hung, "up": Up}
		w.SetCondition(args[0], conditions[verb])
	case "deaf", "hears":
		w.SetDeaf(args[0], rest, verb == "deaf")
	case "full", "free":
		w.Fill(args[0], rest, verb == "full")
	case "unmount", "mount":
		if rest == "" {
			return fmt.Errorf("want %s HOST POOL", verb)
		}
		w.Unmount(args[0], rest, verb == "unmount")
	case "unplug", "plug":
		if rest == "" {
			return fmt.Errorf("want %s HOST NETWORK", verb)
		}
		w.Unplug(args[0], rest, verb == "unplug")
	default:
		return fmt.Errorf("unknown verb; the language is:\n%s", Usage)
	}
	return nil
}

// parseFault reads HOST [METHOD] [DURATION] [xN] [p=F] [err=KIND].
func parseFault(kind FaultKind, args []string) (Fault, error) {
	f := Fault{Kind: kind}
	positions := []*string{&f.Host, &f.Method}
	if kind == Stick || kind == Break {
		f.Method, positions = "Migrate", positions[:1]
	}
	for _, word := range args {
		if len(positions) > 0 {
			*positions[0], positions = word, positions[1:]
			continue
		}
		if err := f.option(word); err != nil {
			return Fault{}, err
		}
	}
	if len(positions) > 0 {
		return Fault{}, fmt.Errorf("want HOST and, unless it is a migration's, METHOD")
	}
	if (kind == Delay || kind == Late) && f.After <= 0 {
		return Fault{}, fmt.Errorf("want how long, such as 5m")
	}
	return f, nil
}

// option reads one word behind the positions.
func (f *Fault) option(word string) error {
	name, value, named := strings.Cut(word, "=")
	var err error
	switch {
	case named && name == "p":
		f.Chance, err = strconv.ParseFloat(value, 64)
	case named && name == "err":
		if f.Err = failures[value]; f.Err == nil {
			return fmt.Errorf("unknown kind of error %q", value)
		}
	case strings.HasPrefix(word, "x"):
		f.Times, err = strconv.Atoi(word[1:])
	default:
		f.After, err = time.ParseDuration(word)
	}
	return err
}
