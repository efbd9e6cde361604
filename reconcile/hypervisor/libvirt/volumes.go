package libvirt

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

type volumeXML struct {
	XMLName    xml.Name       `xml:"volume"`
	Type       string         `xml:"type,attr,omitempty"`
	Name       string         `xml:"name"`
	Capacity   volumeSize     `xml:"capacity"`
	Allocation volumeSize     `xml:"allocation"`
	Physical   *volumeSize    `xml:"physical"` // the length of the file
	Target     volumeTarget   `xml:"target"`
	Backing    *volumeBacking `xml:"backingStore"`
}

type volumeSize struct {
	Unit  string `xml:"unit,attr"`
	Bytes int64  `xml:",chardata"`
}

type volumeTarget struct {
	Path   string       `xml:"path,omitempty"`
	Format volumeFormat `xml:"format"`
}

type volumeFormat struct {
	Type string `xml:"type,attr"`
}

type volumeBacking struct {
	Path   string       `xml:"path"`
	Format volumeFormat `xml:"format"`
}

// volumeDefinition is the XML of a volume to create: sparse, whatever the format.
func volumeDefinition(spec hypervisor.VolumeSpec) (string, error) {
	switch {
	case spec.Format != "qcow2" && spec.Format != "raw":
		return "", fmt.Errorf("format %q: want qcow2 or raw", spec.Format)
	case spec.Bytes < 0:
		return "", fmt.Errorf("%d bytes", spec.Bytes)
	case spec.BackingPath != "" && spec.Format != "qcow2":
		return "", errors.New("only a qcow2 volume can have a backing file")
	case spec.BackingPath != "" && spec.BackingFormat == "":
		return "", errors.New("the backing file's format is not given; guessing it would let a guest choose it")
	}
	doc := volumeXML{
		Type:       "file",
		Name:       spec.Name,
		Capacity:   volumeSize{"bytes", spec.Bytes},
		Allocation: volumeSize{"bytes", 0},
		Target:     volumeTarget{Format: volumeFormat{spec.Format}},
	}
	if spec.BackingPath != "" {
		doc.Backing = &volumeBacking{Path: spec.BackingPath, Format: volumeFormat{spec.BackingFormat}}
	}
	text, err := xml.Marshal(doc)
	return string(text), err
}

func parseVolume(text string) (hypervisor.Volume, error) {
	var doc volumeXML
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		return hypervisor.Volume{}, fmt.Errorf("volume XML: %w", err)
	}
	volume := hypervisor.Volume{
		Name: doc.Name, Path: doc.Target.Path, Format: doc.Target.Format.Type,
		Bytes: doc.Capacity.Bytes, Allocated: doc.Allocation.Bytes,
	}
	if doc.Physical != nil {
		volume.FileBytes = doc.Physical.Bytes
	}
	if doc.Backing != nil {
		volume.BackingPath = doc.Backing.Path
	}
	return volume, nil
}

// checkVolumeName keeps a name within its pool's directory.
func checkVolumeName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/') {
		return fmt.Errorf("%w: volume name %q", hypervisor.ErrRefused, name)
	}
	return nil
}

// freshPool returns the libvirt pool of a path, just rescanned.
func (h *host) freshPool(ctx context.Context, pool hypervisor.Pool) (golibvirt.StoragePool, error) {
	ref, err := h.pool(ctx, pool)
	if err != nil {
		return ref, err
	}
	err = h.refresh(ctx, ref)
	if notFound(err) || errors.Is(sentinel(err, false), hypervisor.ErrState) {
		// Undefined or stopped since we last saw it: look for it anew, once.
		h.forgetPool(pool)
		if ref, err = h.pool(ctx, pool); err == nil {
			err = h.refresh(ctx, ref)
		}
	}
	return ref, poolError(err)
}

// freshVolume returns a volume that is there now.
func (h *host) freshVolume(ctx context.Context, pool hypervisor.Pool, name string) (golibvirt.StorageVol, error) {
	if err := checkVolumeName(name); err != nil {
		return golibvirt.StorageVol{}, err
	}
	ref, err := h.freshPool(ctx, pool)
	if err != nil {
		return golibvirt.StorageVol{}, err
	}
	return ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		return rpc.StorageVolLookupByName(ref, name)
	})
}

// ListVolumes implements hypervisor.Storage.
func (h *host) ListVolumes(ctx context.Context, pool hypervisor.Pool) ([]hypervisor.Volume, error) {
	what := "list volumes of " + pool.Path
	ref, err := h.freshPool(ctx, pool)
	if err != nil {
		return nil, h.fail(what, err, false)
	}
	volumes, err := h.volumesOf(ctx, ref)
	return volumes, h.fail(what, err, false)
}

// volumesOf describes the volumes of a pool as they were when it was last scanned, in order of name.
func (h *host) volumesOf(ctx context.Context, ref golibvirt.StoragePool) ([]hypervisor.Volume, error) {
	refs, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.StorageVol, error) {
		volumes, _, err := rpc.StoragePoolListAllVolumes(ref, 1, 0)
		return volumes, err
	})
	if err != nil {
		return nil, err
	}
	found := make([]*hypervisor.Volume, len(refs))
	err = each(len(refs), callSlots, func(i int) error {
		volume, err := h.describeVolume(ctx, refs[i])
		switch {
		case err == nil:
			found[i] = &volume
		case notFound(err), saidWords(err, "No such file or directory"):
			return nil // gone since it was listed
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var volumes []hypervisor.Volume
	for _, one := range found {
		if one != nil {
			volumes = append(volumes, *one)
		}
	}
	slices.SortFunc(volumes, func(a, b hypervisor.Volume) int { return cmp.Compare(a.Name, b.Name) })
	return volumes, nil
}

func (h *host) describeVolume(ctx context.Context, ref golibvirt.StorageVol) (hypervisor.Volume, error) {
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.StorageVolGetXMLDesc(ref, 0) })
	if err != nil {
		return hypervisor.Volume{}, err
	}
	return parseVolume(text)
}

// GetVolume implements hypervisor.Storage.
func (h *host) GetVolume(ctx context.Context, pool hypervisor.Pool, name string) (hypervisor.Volume, error) {
	what := "read volume " + path.Join(pool.Path, name)
	ref, err := h.freshVolume(ctx, pool, name)
	if err != nil {
		return hypervisor.Volume{}, h.fail(what, err, false)
	}
	volume, err := h.describeVolume(ctx, ref)
	return volume, h.fail(what, poolError(err), false)
}

// CreateVolume implements hypervisor.Storage. The pool is rescanned first: libvirt overwrites a qcow2 file that came
// into the directory behind its back.
func (h *host) CreateVolume(ctx context.Context, pool hypervisor.Pool, spec hypervisor.VolumeSpec) (hypervisor.Volume, error) {
	what := "create volume " + path.Join(pool.Path, spec.Name)
	if err := checkVolumeName(spec.Name); err != nil {
		return hypervisor.Volume{}, h.fail(what, err, true)
	}
	text, err := volumeDefinition(spec)
	if err != nil {
		return hypervisor.Volume{}, h.failAs(what, hypervisor.ErrRefused, "%v", err)
	}
	ref, err := h.freshPool(ctx, pool)
	if err != nil {
		return hypervisor.Volume{}, h.fail(what, err, false)
	}
	created, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		return rpc.StorageVolCreateXML(ref, text, 0)
	})
	if err != nil {
		return hypervisor.Volume{}, h.fail(what, createError(err), true)
	}
	volume, err := h.describeVolume(ctx, created)
	return volume, h.fail(what, err, true)
}

// createError knows how libvirt says that a file is there which it hadn't seen.
func createError(err error) error {
	if saidWords(err, "File exists") {
		return fmt.Errorf("%w: %w", hypervisor.ErrExists, err)
	}
	return err
}

// ResizeVolume implements hypervisor.Storage.
func (h *host) ResizeVolume(ctx context.Context, pool hypervisor.Pool, name string, bytes int64) error {
	what := "resize volume " + path.Join(pool.Path, name)
	ref, err := h.freshVolume(ctx, pool, name)
	if err != nil {
		return h.fail(what, err, false)
	}
	return h.fail(what, h.do(ctx, func(rpc *golibvirt.Libvirt) error {
		return rpc.StorageVolResize(ref, uint64(bytes), 0)
	}), true)
}

// DeleteVolume implements hypervisor.Storage.
func (h *host) DeleteVolume(ctx context.Context, pool hypervisor.Pool, name string) error {
	what := "delete volume " + path.Join(pool.Path, name)
	ref, err := h.freshVolume(ctx, pool, name)
	if err != nil {
		return h.fail(what, err, false)
	}
	return h.fail(what, h.do(ctx, func(rpc *golibvirt.Libvirt) error { return rpc.StorageVolDelete(ref, 0) }), true)
}
