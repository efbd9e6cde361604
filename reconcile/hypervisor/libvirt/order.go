package libvirt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Parts of a packet's header, in bytes from its length word.
const (
	atProcedure = 12
	atType      = 16
	atSerial    = 20
	atStatus    = 24
)

// The types of packet that matter here, and the status of a good reply.
const (
	packetReply  = 1
	packetStream = 3
	statusGood   = 0
)

// streamProcedures are the calls we make that open a stream: console, upload, download.
var streamProcedures = map[uint32]bool{201: true, 208: true, 209: true}

// heldMax bounds what is held back of a stream, in bytes. libvirtd sends packets of 256 KiB, and it has sent the
// reply long before there is more than a few of them.
const heldMax = 16 << 20

var errStreamUnopened = errors.New("libvirtd streams without having answered the call")

// replyFirst passes packets on in the order that the RPC library needs: the reply to a call before its stream.
// libvirtd doesn't promise that. A worker of it opens the stream, its main loop begins to send what the stream
// holds, and the worker's reply may come out later. The library takes the first packet of a call for the reply;
// it would drop the data, take the reply for the stream's end, and wait for ever when more comes.
type replyFirst struct {
	r       io.Reader
	next    []byte            // whole bytes to hand out before anything else is read
	left    int               // bytes of the current packet that are still to be passed on from r
	release []byte            // held packets, to follow the current one
	replied map[uint32]bool   // streams, by serial, whose call was answered
	held    map[uint32][]byte // packets that wait for the answer
}

func newReplyFirst(r io.Reader) *replyFirst {
	return &replyFirst{r: r, replied: map[uint32]bool{}, held: map[uint32][]byte{}}
}

func (o *replyFirst) Read(p []byte) (int, error) {
	for len(o.next) == 0 && o.left == 0 {
		if err := o.advance(); err != nil {
			return 0, err
		}
	}
	if len(o.next) > 0 {
		n := copy(p, o.next)
		o.next = o.next[n:]
		return n, nil
	}
	n, err := o.r.Read(p[:min(len(p), o.left)])
	o.left -= n
	return n, err
}

// advance begins the next packet, or holds it back.
func (o *replyFirst) advance() error {
	if len(o.release) > 0 {
		o.next, o.release = o.release, nil
		return nil
	}
	header := make([]byte, packetHeader)
	if _, err := io.ReadFull(o.r, header); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(header)) // checked by frameGuard
	serial := binary.BigEndian.Uint32(header[atSerial:])
	switch binary.BigEndian.Uint32(header[atType:]) {
	case packetStream:
		if !o.replied[serial] {
			return o.hold(serial, header, size-packetHeader)
		}
	case packetReply:
		if streamProcedures[binary.BigEndian.Uint32(header[atProcedure:])] {
			o.opened(serial, binary.BigEndian.Uint32(header[atStatus:]))
		}
	}
	o.next, o.left = header, size-packetHeader
	return nil
}

func (o *replyFirst) hold(serial uint32, header []byte, size int) error {
	if len(o.held[serial])+size > heldMax {
		return fmt.Errorf("%w: more than %d bytes", errStreamUnopened, heldMax)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(o.r, payload); err != nil {
		return err
	}
	o.held[serial] = append(append(o.held[serial], header...), payload...)
	return nil
}

// opened lets a stream through, once its call has a good answer. After a bad one there is nobody to take it.
func (o *replyFirst) opened(serial, status uint32) {
	if status == statusGood {
		o.release = o.held[serial]
	}
	delete(o.held, serial)
	o.replied[serial] = true
}
