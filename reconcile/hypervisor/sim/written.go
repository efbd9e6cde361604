package sim

import (
	"encoding/binary"
	"path"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// writing says which guest wrote to a file last, and in which of its runs: each boot and each live migration begins
// one. It is all that the simulation knows of what guests write, and goes along with copies.
type writing struct {
	By  string `json:"by,omitempty"`  // UUID
	Run uint64 `json:"run,omitempty"` // 1 is the guest's first
}

// root returns the disk that a guest boots from, nil when it has none or it isn't there.
func (w *World) root(h *host, def *hypervisor.Definition) (file string, p *pool, v *volume) {
	for _, disk := range def.Disks {
		if disk.Role == hypervisor.DiskRoot && !disk.ReadOnly && disk.Format == "qcow2" {
			p, v = w.disk(h, disk.Path)
			return disk.Path, p, v
		}
	}
	return "", nil, nil
}

// wrote notes that a guest begins to write to its root disk. An older copy than the one to which it wrote last is a
// violation, and so is an empty disk while that one is still there: what it wrote is lost to it.
func (t *turn) wrote(h *host, def *hypervisor.Definition) {
	file, p, v := t.w.root(h, def)
	if v == nil {
		return
	}
	last := t.w.written[def.UUID]
	newest := writing{def.UUID, last}
	if last > 0 && v.Written != newest && (v.Written.By == def.UUID || t.w.keeps(newest)) {
		t.violated(Violation{Kind: OldDisk, UUID: def.UUID, Hosts: []string{h.name}, Path: file})
	}
	t.w.written[def.UUID] = last + 1
	v.Written = writing{def.UUID, last + 1}
	v.Content, v.Size = nil, 0 // what was uploaded there is not what it holds any more
	t.changedVolume(p, path.Base(file))
}

// keeps reports whether any pool has the file.
func (w *World) keeps(file writing) bool {
	has := func(p *pool) bool {
		for _, v := range p.volumes {
			if v.Written == file {
				return true
			}
		}
		return false
	}
	for _, p := range w.shared {
		if has(p) {
			return true
		}
	}
	for _, h := range w.hosts {
		for _, p := range h.pools {
			if has(p) {
				return true
			}
		}
	}
	return false
}

// Where the simulation's own qcow2 files say who wrote to them.
const (
	writtenRunAt = 40
	writtenByAt  = 1140
	uuidLength   = 36
)

// put writes it into the start of a qcow2 file.
func (w writing) put(head []byte) {
	binary.BigEndian.PutUint64(head[writtenRunAt:], w.Run)
	copy(head[writtenByAt:writtenByAt+uuidLength], w.By)
}

// writingIn reads it from there; the zero writing is that of a file from elsewhere.
func writingIn(head []byte) writing {
	if len(head) < qcow2HeadSize || head[writtenByAt] == 0 {
		return writing{}
	}
	return writing{string(head[writtenByAt : writtenByAt+uuidLength]), binary.BigEndian.Uint64(head[writtenRunAt:])}
}

// recall takes from a pool which runs of guests there have been.
func (w *World) recall(p *pool) {
	for _, v := range p.volumes {
		if v.Written.Run > w.written[v.Written.By] {
			w.written[v.Written.By] = v.Written.Run
		}
	}
}
