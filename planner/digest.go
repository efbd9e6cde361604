package planner

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/novaplan/novaplan/cluster/state"
)

// digest is the identity of what a plan does: its operations and cancellations, without the sentences
// that explain them. An approval names it, and is stale when the plan computed again has another one.
func digest(p *Plan) string {
	w := writer{sum: sha256.New()}
	w.count(len(p.Operations))
	for i := range p.Operations {
		w.operation(&p.Operations[i])
	}
	w.strings(p.Cancel)
	return "sha256:" + hex.EncodeToString(w.sum.Sum(nil))
}

// writer hashes values, each with its length, so that no two sequences have one image.
type writer struct {
	sum hash.Hash
	buf []byte
}

func (w *writer) count(n int) { w.number(int64(n)) }

func (w *writer) number(n int64) {
	w.buf = binary.BigEndian.AppendUint64(w.buf[:0], uint64(n))
	w.sum.Write(w.buf)
}

func (w *writer) text(s string) {
	w.buf = binary.BigEndian.AppendUint64(w.buf[:0], uint64(len(s)))
	w.buf = append(w.buf, s...)
	w.sum.Write(w.buf)
}

func (w *writer) strings(all []string) {
	w.count(len(all))
	for _, s := range all {
		w.text(s)
	}
}

func (w *writer) operation(op *state.Operation) {
	w.text(op.ID)
	w.text(string(op.Action))
	w.text(string(op.Instance))
	w.text(string(op.From))
	w.text(string(op.To))
	w.text(string(op.Kind))
	w.text(op.Reason.Code)
	w.text(string(op.Unit))
	w.text(string(op.Block))
	w.strings(op.After)
	w.size(op.Size)
	if op.Build == nil {
		w.count(0)
		return
	}
	w.count(1)
	w.instance(op.Build)
}

func (w *writer) size(s state.Size) {
	for _, n := range []int64{int64(s.VCPUs), s.MemoryMiB, s.DiskMiB, s.EphemeralMiB, s.SwapMiB} {
		w.number(n)
	}
}

func (w *writer) instance(in *state.Instance) {
	for _, s := range []string{
		string(in.Address), in.Stack, in.UUID, in.Domain, in.Name, string(in.Host), string(in.Flavor), string(in.Image),
		in.ImageDigest, in.ImageSource, in.ImageChecksum, in.Pool.Path, in.VirtType, in.Arch, in.Machine, in.CPU, string(in.UserData), string(in.Phase),
	} {
		w.text(s)
	}
	w.number(int64(in.Incarnation))
	w.number(int64(in.Generation))
	w.number(int64(in.TrashRetention))
	w.number(int64(in.ShutdownTimeout))
	w.size(in.Size)
	w.count(len(in.NICs))
	for _, n := range in.NICs {
		w.strings([]string{n.Name, string(n.Network), n.MAC, n.IP, n.Model})
	}
	flags := 0
	if in.Stopped {
		flags |= 1
	}
	if in.Pool.Shared {
		flags |= 2
	}
	w.count(flags)
}
