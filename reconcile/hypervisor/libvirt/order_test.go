package libvirt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	procDownload = 209
	more         = 2 // status of a stream's packet
)

// wirePacket is a packet as libvirtd sends it.
func wirePacket(proc, kind, serial, status uint32, payload string) []byte {
	return append(xdrInts(uint32(packetHeader+len(payload)), remoteProgram, 1, proc, kind, serial, status), payload...)
}

// unpack lists what came through, as "kind serial payload".
func unpack(t interface{ Fatal(...any) }, stream []byte) (got []string) {
	for len(stream) > 0 {
		size := binary.BigEndian.Uint32(stream)
		kinds := map[uint32]string{packetReply: "reply", packetStream: "data", typeMessage: "event"}
		got = append(got, kinds[binary.BigEndian.Uint32(stream[atType:])]+" "+
			string(rune('0'+binary.BigEndian.Uint32(stream[atSerial:])))+" "+string(stream[packetHeader:size]))
		stream = stream[size:]
	}
	return got
}

func TestRepliesComeBeforeTheirStreams(t *testing.T) {
	data := func(serial uint32, text string) []byte {
		return wirePacket(procDownload, packetStream, serial, more, text)
	}
	reply := func(serial, status uint32) []byte {
		return wirePacket(procDownload, packetReply, serial, status, "")
	}
	event := wirePacket(procLifecycle, typeMessage, 0, statusOK, "started")
	other := wirePacket(procDefine, packetReply, 7, statusOK, "defined")
	for name, c := range map[string]struct {
		sent [][]byte
		want []string
	}{
		"in order":     {[][]byte{reply(3, statusOK), data(3, "a"), data(3, "b")}, []string{"reply 3 ", "data 3 a", "data 3 b"}},
		"data first":   {[][]byte{data(3, "a"), reply(3, statusOK), data(3, "b")}, []string{"reply 3 ", "data 3 a", "data 3 b"}},
		"much first":   {[][]byte{data(3, "a"), data(3, "b"), data(3, ""), reply(3, statusOK)}, []string{"reply 3 ", "data 3 a", "data 3 b", "data 3 "}},
		"others pass":  {[][]byte{data(3, "a"), event, other, reply(3, statusOK)}, []string{"event 0 started", "reply 7 defined", "reply 3 ", "data 3 a"}},
		"two streams":  {[][]byte{data(3, "a"), data(4, "x"), reply(4, statusOK), reply(3, statusOK)}, []string{"reply 4 ", "data 4 x", "reply 3 ", "data 3 a"}},
		"refused call": {[][]byte{data(3, "a"), reply(3, statErr), event}, []string{"reply 3 ", "event 0 started"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(newReplyFirst(iotest.OneByteReader(bytes.NewReader(slices.Concat(c.sent...)))))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, unpack(t, got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestNothingIsLostInOrder: whatever comes first, all of a stream comes through, in its order, after the reply.
func TestNothingIsLostInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringN(0, 50, 50), 0, 8).Draw(t, "data")
		early := rapid.IntRange(0, len(texts)).Draw(t, "before the reply")
		var sent []byte
		want := []string{"reply 3 "}
		for i, text := range texts {
			if i == early {
				sent = append(sent, wirePacket(procDownload, packetReply, 3, statusOK, "")...)
			}
			sent = append(sent, wirePacket(procDownload, packetStream, 3, more, text)...)
			want = append(want, "data 3 "+text)
		}
		if early == len(texts) {
			sent = append(sent, wirePacket(procDownload, packetReply, 3, statusOK, "")...)
		}
		got, err := io.ReadAll(newReplyFirst(bytes.NewReader(sent)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, unpack(t, got)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestAStreamThatIsNeverAnsweredEnds(t *testing.T) {
	packet := wirePacket(procDownload, packetStream, 3, more, string(make([]byte, 1<<20)))
	_, err := io.ReadAll(newReplyFirst(bytes.NewReader(bytes.Repeat(packet, 17))))
	if !errors.Is(err, errStreamUnopened) {
		t.Errorf("17 MiB of an unanswered stream: %v", err)
	}
}

// TestDownloadWhoseDataComesBeforeTheReply: the library gets all of it, and ends.
func TestDownloadWhoseDataComesBeforeTheReply(t *testing.T) {
	fake := newFake()
	fake.handle(procDownload, func(c *fakeClient, call packet) {
		c.send(call.proc, packetStream, call.serial, more, []byte("first "))
		c.reply(call, nil)
		c.send(call.proc, packetStream, call.serial, more, []byte("second"))
		c.send(call.proc, packetStream, call.serial, more, nil)
	})
	s, err := openSession(t.Context(), Endpoint{}, Options{Dial: fake.dial}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close(errClosed)
	var got bytes.Buffer
	if err := s.rpc.StorageVolDownload(golibvirt.StorageVol{Pool: "pool", Name: "volume"}, &got, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if got.String() != "first second" {
		t.Errorf("got %q", got.String())
	}
}
