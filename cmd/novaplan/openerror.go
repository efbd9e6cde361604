package main

import (
	"errors"
	"fmt"
	"os"
	osuser "os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

// explainOpen says what to do about a record that can't be opened. writing: it was to be changed.
func explainOpen(err error, p place, writing bool) error {
	e := &wire.Error{Code: api.CodeFailed, Message: err.Error()}
	record, me := p.record(), user()
	var locked *cluster.LockedError
	switch {
	case errors.As(err, &locked) && locked.PID != 0:
		e.Message = fmt.Sprintf("another command is running here (pid %d)", locked.PID)
		e.Detail = []string{"Wait for it to end, or look at it with: ps " + fmt.Sprint(locked.PID)}
	case errors.As(err, &locked):
		e.Message = "another command is running here"
		e.Detail = []string{"Wait for it to end."}
	case !writing && errors.Is(err, os.ErrPermission):
		e.Message = fmt.Sprintf("%s can't be read by %s", record, me)
		e.Detail = []string{"It belongs to who applied first. Run novaplan as that user, or give the folder away with chown -R."}
	case errors.Is(err, cluster.ErrReadOnly), errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Message = record + " can't be written to"
		e.Detail = []string{"novaplan plan and status work all the same. To apply, make the folder writable for " + me + "."}
	case errors.Is(err, syscall.ENOTDIR):
		e.Message = filepath.Join(p.dir, ".novaplan") + " isn't a folder"
		e.Detail = []string{"The record of this fleet is kept there. Move away what is there now."}
	case !writing && errors.Is(err, syscall.ENOSPC):
		e.Message = fmt.Sprintf("no room in %s to read the record", os.TempDir())
		e.Detail = []string{"Make room there, or set TMPDIR to a folder with some 20 MiB."}
	case !writing && errors.Is(err, os.ErrNotExist) && strings.Contains(err.Error(), os.TempDir()):
		e.Message = fmt.Sprintf("%s, where temporary files go, isn't there", os.TempDir())
		e.Detail = []string{"Make it, or set TMPDIR to another folder."}
	case errors.Is(err, cluster.ErrDiskFull), errors.Is(err, syscall.ENOSPC):
		e.Detail = []string{"Make room on the disk that holds " + record + ". Nothing was changed."}
	case errors.Is(err, state.ErrNewer):
		e.Detail = []string{"This is novaplan " + version + ". Nothing was changed."}
	case errors.Is(err, cluster.ErrMode):
		e.Message = fmt.Sprintf("the record in %s is of %s hosts, this spec is for %s ones", record, otherMode(p), p.mode())
		e.Detail = []string{"Is this the right folder? A simulation is kept apart in .novaplan/sim; don't copy one over the other."}
	default:
		return err
	}
	return e
}

func otherMode(p place) state.Mode {
	if p.simulate {
		return state.Real
	}
	return state.Sim
}

func user() string {
	if u, err := osuser.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}
