package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	qcow2BackingLen = 16   // of the backing file's path
	qcow2MostPath   = 1023 // bytes of such a path
)

// Rebase returns the content of a qcow2 file with another path to its backing file, which must hold the same:
// qemu-img rebase -u, on the way. Nothing else changes, and no byte moves. It fails when the file doesn't stand on
// from. Its errors wrap ErrFormat, or are r's.
func Rebase(r io.Reader, from, to string) (io.Reader, error) {
	head := make([]byte, qcow2HeadV2)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("qcow2 header: %w", err)
	}
	bits := binary.BigEndian.Uint32(head[qcow2ClusterBits:])
	if !bytes.HasPrefix(head, []byte(qcow2Magic)) || bits < 9 || bits > 21 {
		return nil, fmt.Errorf("%w: not a qcow2 file", ErrFormat)
	}
	rest := make([]byte, 1<<bits-len(head)) // the path is in the first cluster
	n, err := io.ReadFull(r, rest)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head = append(head, rest[:n]...)
	if err := replaceBacking(head, from, to); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return io.MultiReader(bytes.NewReader(head), r), nil
}

// replaceBacking changes the path in a file's first cluster, in which nothing but zeros follows it.
func replaceBacking(head []byte, from, to string) error {
	at, length := binary.BigEndian.Uint64(head[qcow2Backing:]), uint64(binary.BigEndian.Uint32(head[qcow2BackingLen:]))
	size := uint64(len(head))
	if at < qcow2HeadV2 || length > qcow2MostPath || at > size || length > size-at {
		return errors.New("it names no backing file")
	}
	if have := string(head[at : at+length]); have != from {
		return fmt.Errorf("it stands on %q, not on %q", have, from)
	}
	room := max(length, uint64(len(to)))
	if len(to) > qcow2MostPath || room > size-at || len(bytes.Trim(head[at+length:at+room], "\x00")) > 0 {
		return fmt.Errorf("there is no room for %q", to)
	}
	clear(head[at : at+room])
	copy(head[at:], to)
	binary.BigEndian.PutUint32(head[qcow2BackingLen:], uint32(len(to)))
	return nil
}
