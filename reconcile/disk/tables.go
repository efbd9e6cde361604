package disk

import (
	"encoding/binary"
	"fmt"
	"io"
)

// More of the qcow2 header, and what its tables hold: docs/interop/qcow2 of QEMU.
const (
	qcow2L1Size         = 36 // entries
	qcow2L1             = 40
	qcow2Refcounts      = 48
	qcow2RefcountsSize  = 56 // clusters
	incompatExtendedL2  = 1 << 4
	qcow2OffsetMask     = 0x00ff_ffff_ffff_fe00
	qcow2Compressed     = 1 << 62
	qcow2ReadsAsZero    = 1
	qcow2MaxL1          = 32 << 20 / 8 // entries; QEMU's own limit
	qcow2MaxTablesBytes = 1 << 30      // of L2 tables that are read: an image of 8 TiB in usual clusters
)

// inspectTables checks that what the tables of a qcow2 file point to is in the file: a download that was cut
// off has a perfect header.
func inspectTables(r io.ReaderAt, head []byte, size int64) error {
	bits := binary.BigEndian.Uint32(head[qcow2ClusterBits:])
	stride := uint64(8)
	if len(head) >= qcow2HeadV3 && binary.BigEndian.Uint32(head[qcow2Version:]) == 3 && binary.BigEndian.Uint64(head[qcow2Incompat:])&incompatExtendedL2 != 0 {
		stride = 16
	}
	entries := binary.BigEndian.Uint32(head[qcow2L1Size:])
	if entries > qcow2MaxL1 {
		return fmt.Errorf("qcow2 says that its L1 table has %d entries", entries)
	}
	t := tables{r: r, size: uint64(size), clusterBits: bits, stride: stride}
	refcounts := binary.BigEndian.Uint64(head[qcow2Refcounts:])
	if binary.BigEndian.Uint32(head[qcow2RefcountsSize:]) > 0 && refcounts >= t.size {
		return t.cutOff("its refcount table", refcounts)
	}
	return t.walk(binary.BigEndian.Uint64(head[qcow2L1:]), uint64(entries))
}

// tables walks the L1 and L2 tables of a qcow2 file of size bytes.
type tables struct {
	r           io.ReaderAt
	size        uint64
	clusterBits uint32
	stride      uint64 // bytes of an L2 entry
}

func (t *tables) walk(at, entries uint64) error {
	l1, err := t.read(at, entries*8, "its L1 table")
	if err != nil {
		return err
	}
	cluster := uint64(1) << t.clusterBits
	read := uint64(0)
	for i := uint64(0); i < entries; i++ {
		l2 := binary.BigEndian.Uint64(l1[i*8:]) & qcow2OffsetMask
		if l2 == 0 {
			continue
		}
		if read += cluster; read > qcow2MaxTablesBytes {
			return nil
		}
		table, err := t.read(l2, cluster, "an L2 table")
		if err != nil {
			return err
		}
		if err := t.clusters(table); err != nil {
			return err
		}
	}
	return nil
}

// clusters checks where the entries of one L2 table point.
func (t *tables) clusters(table []byte) error {
	compressedMask := uint64(1)<<(62-(t.clusterBits-8)) - 1
	for at := uint64(0); at+t.stride <= uint64(len(table)); at += t.stride {
		entry := binary.BigEndian.Uint64(table[at:])
		offset := entry & qcow2OffsetMask
		switch {
		case entry&qcow2Compressed != 0:
			offset = entry & compressedMask
		case t.stride == 8 && entry&qcow2ReadsAsZero != 0:
			continue
		}
		if offset >= t.size {
			return t.cutOff("data", offset)
		}
	}
	return nil
}

// read returns n bytes at offset.
func (t *tables) read(offset, n uint64, what string) ([]byte, error) {
	if offset > t.size || n > t.size-offset {
		return nil, t.cutOff(what, offset)
	}
	buf := make([]byte, n)
	if _, err := t.r.ReadAt(buf, int64(offset)); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return buf, nil
}

func (t *tables) cutOff(what string, offset uint64) error {
	return fmt.Errorf("the file is cut off: it ends at byte %d, and %s begins at %d; copy or download it again", t.size, what, offset)
}
