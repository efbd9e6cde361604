package libvirt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// The procedures that the tests' libvirtd knows, by libvirt's numbers.
const (
	procOpen          = 1
	procAuthList      = 66
	procLibVersion    = 157
	procDefine        = 350
	procCreate        = 196
	procRegister      = 316
	procLifecycle     = 318
	remoteProgram     = 0x20008086
	statusOK, statErr = 0, 1
	typeReply         = 1
	typeMessage       = 2
)

// fakeLibvirtd answers libvirt's RPC protocol over pipes. Tests script it: a handler per procedure.
type fakeLibvirtd struct {
	mu       sync.Mutex
	handlers map[uint32]func(c *fakeClient, call packet)
	clients  []*fakeClient
	dials    int
	refuse   error // what dialling fails with
	silent   bool  // it reads and never answers
}

type packet struct {
	proc, serial uint32
	payload      []byte
}

func newFake() *fakeLibvirtd {
	f := &fakeLibvirtd{handlers: map[uint32]func(*fakeClient, packet){}}
	f.handle(procAuthList, func(c *fakeClient, call packet) { c.reply(call, xdrInts(1, 0)) })
	f.handle(procOpen, func(c *fakeClient, call packet) { c.reply(call, nil) })
	f.handle(procLibVersion, func(c *fakeClient, call packet) { c.reply(call, xdrInts(0, 9_000_000)) })
	f.handle(procRegister, func(c *fakeClient, call packet) { c.reply(call, xdrInts(c.nextCallback())) })
	return f
}

func (f *fakeLibvirtd) handle(proc uint32, handler func(*fakeClient, packet)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[proc] = handler
}

func (f *fakeLibvirtd) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeLibvirtd) dialled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

func (f *fakeLibvirtd) dial(context.Context, Endpoint) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	if f.refuse != nil {
		return nil, f.refuse
	}
	ours, theirs := net.Pipe()
	client := &fakeClient{conn: theirs}
	f.clients = append(f.clients, client)
	go f.serve(client)
	return ours, nil
}

func (f *fakeLibvirtd) serve(c *fakeClient) {
	defer c.conn.Close()
	for {
		call, err := readPacket(c.conn)
		if err != nil {
			return
		}
		f.mu.Lock()
		handler, silent := f.handlers[call.proc], f.silent
		f.mu.Unlock()
		switch {
		case silent:
		case handler == nil:
			c.fail(call, 3, "no such procedure in the test")
		default:
			go handler(c, call)
		}
	}
}

// hangUp ends every connection, as a libvirtd that is killed.
func (f *fakeLibvirtd) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.clients {
		c.conn.Close()
	}
	f.clients = nil
}

type fakeClient struct {
	conn     net.Conn
	mu       sync.Mutex // one packet at a time
	callback uint32
}

func (c *fakeClient) nextCallback() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.callback++
	return c.callback
}

func (c *fakeClient) reply(call packet, payload []byte) {
	c.send(call.proc, typeReply, call.serial, statusOK, payload)
}

// fail answers with a libvirt error of that code.
func (c *fakeClient) fail(call packet, code uint32, message string) {
	payload := xdrInts(code, 10, 1)
	payload = append(payload, xdrString(message)...)
	payload = append(payload, xdrInts(2, 0, 0, 0, 0, 0, 0, 0, 0)...)
	c.send(call.proc, typeReply, call.serial, statErr, payload)
}

func (c *fakeClient) send(proc, kind, serial, status uint32, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := xdrInts(uint32(packetHeader+len(payload)), remoteProgram, 1, proc, kind, serial, status)
	_, _ = c.conn.Write(append(head, payload...)) // a client that is gone is what some tests are about
}

func readPacket(r io.Reader) (packet, error) {
	var head [packetHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return packet{}, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	payload := make([]byte, size-packetHeader)
	_, err := io.ReadFull(r, payload)
	return packet{binary.BigEndian.Uint32(head[12:16]), binary.BigEndian.Uint32(head[20:24]), payload}, err
}

func xdrInts(values ...uint32) []byte {
	var out []byte
	for _, value := range values {
		out = binary.BigEndian.AppendUint32(out, value)
	}
	return out
}

func xdrString(text string) []byte {
	out := append(xdrInts(uint32(len(text))), text...)
	return append(out, bytes.Repeat([]byte{0}, (4-len(text)%4)%4)...)
}

var errRefusedByTest = errors.New("dialling fails in this test")

// openFake opens a host behind a fake libvirtd.
func openFake(t *testing.T, f *fakeLibvirtd, opts Options) *host {
	t.Helper()
	opts.Dial = f.dial
	opened, err := New(opts).Open(t.Context(), target("kvm1", "qemu+tcp://kvm1/system"))
	if err != nil {
		t.Fatal(err)
	}
	return opened.(*host)
}
