package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// sector is the unit of raw disks: QEMU rounds their size up to it.
const sector = 512

// Inspect checks that the content of that size is of the format ("qcow2" or "raw") and stands on its
// own, and returns the size of the disk in it. Its errors wrap ErrFormat.
func Inspect(r io.ReaderAt, size int64, format string) (virtual int64, err error) {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	head = head[:n]
	switch format {
	case "qcow2":
		if virtual, err = inspectQcow2(head); err == nil {
			err = inspectTables(r, head, size)
		}
	case "raw":
		virtual, err = (size+sector-1)/sector*sector, inspectRaw(r, head, size)
	default:
		err = fmt.Errorf("%q is neither qcow2 nor raw", format)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return virtual, nil
}

// The qcow2 header, big endian: docs/interop/qcow2 of QEMU.
const (
	qcow2Magic       = "QFI\xfb"
	qcow2Version     = 4
	qcow2Backing     = 8
	qcow2ClusterBits = 20
	qcow2Size        = 24
	qcow2Crypt       = 32
	qcow2Incompat    = 72 // version 3 on

	qcow2HeadV2 = 72
	qcow2HeadV3 = 104

	incompatCorrupt  = 1 << 1
	incompatDataFile = 1 << 2
	// incompatKnown are dirty, corrupt, data file, compression type and extended L2 entries.
	incompatKnown = 1<<5 - 1
)

func inspectQcow2(head []byte) (int64, error) {
	if !bytes.HasPrefix(head, []byte(qcow2Magic)) {
		return 0, fmt.Errorf("not a qcow2 file%s", looksLike(head))
	}
	if len(head) < qcow2HeadV2 {
		return 0, errors.New("qcow2 header is cut off")
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(head[at:]) }
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(head[at:]) }
	switch version := u32(qcow2Version); {
	case version != 2 && version != 3:
		return 0, fmt.Errorf("qcow2 version %d is not known", version)
	case u64(qcow2Backing) != 0:
		return 0, errors.New("the image has a backing file: flatten it (qemu-img convert -O qcow2)")
	case u32(qcow2Crypt) != 0:
		return 0, errors.New("the image is encrypted, which is not supported")
	case u32(qcow2ClusterBits) < 9 || u32(qcow2ClusterBits) > 21:
		return 0, fmt.Errorf("qcow2 cluster size 2^%d is not valid", u32(qcow2ClusterBits))
	case version == 3:
		if len(head) < qcow2HeadV3 {
			return 0, errors.New("qcow2 header is cut off")
		}
		if err := inspectFeatures(u64(qcow2Incompat)); err != nil {
			return 0, err
		}
	}
	size := u64(qcow2Size)
	if size == 0 || size > math.MaxInt64/2 {
		return 0, fmt.Errorf("qcow2 says that its disk has %d bytes", size)
	}
	return int64(size), nil
}

func inspectFeatures(features uint64) error {
	switch {
	case features&incompatDataFile != 0:
		return errors.New("the image keeps its data in an external file: flatten it (qemu-img convert -O qcow2)")
	case features&incompatCorrupt != 0:
		return errors.New("the image is marked corrupt (qemu-img check -r)")
	case features&^incompatKnown != 0:
		return fmt.Errorf("the image has unknown qcow2 features %#x", features&^incompatKnown)
	}
	return nil
}

// magics are beginnings by which other formats are recognised.
var magics = []struct {
	at    int
	magic string
	name  string
}{
	{0, qcow2Magic, "qcow2"},
	{0, "KDMV", "vmdk"},
	{0, "COWD", "vmdk"},
	{0, "# Disk DescriptorFile", "vmdk"},
	{0, "vhdxfile", "vhdx"},
	{0, "conectix", "vhd"},
	{64, "\x7f\x10\xda\xbe", "vdi"},
	{0, "QED\x00", "qed"},
	{0, "LUKS\xba\xbe", "an encrypted disk (LUKS)"},
	{0, "\x1f\x8b", "gzip-compressed data: unpack it"},
	{0, "\xfd7zXZ\x00", "xz-compressed data: unpack it"},
	{0, "\x28\xb5\x2f\xfd", "zstd-compressed data: unpack it"},
	{0, "BZh", "bzip2-compressed data: unpack it"},
	{0, "PK\x03\x04", "a zip archive: unpack it"},
	{0, "<!DOCTYPE", "a web page"},
	{0, "<html", "a web page"},
}

// looksLike returns ", it looks like X" for a content that is recognised, else "".
func looksLike(head []byte) string {
	for _, m := range magics {
		if len(head) >= m.at && bytes.HasPrefix(head[m.at:], []byte(m.magic)) {
			return ", it looks like " + m.name
		}
	}
	return ""
}

// inspectRaw takes any content that isn't recognised as something else. A mislabelled file would
// boot a guest from its header.
func inspectRaw(r io.ReaderAt, head []byte, size int64) error {
	if size == 0 {
		return errors.New("the file is empty")
	}
	if like := looksLike(head); like != "" {
		return fmt.Errorf("not a raw disk%s", like)
	}
	// A fixed VHD is a raw disk with a footer.
	foot := make([]byte, 8)
	if size >= sector {
		if _, err := r.ReadAt(foot, size-sector); err == nil && string(foot) == "conectix" {
			return errors.New("not a raw disk, it looks like vhd")
		}
	}
	return nil
}
