package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// talkVersion is of the questions and answers of ProtocolMember. Unknown fields are ignored, so that
// members of neighbouring versions understand each other.
const (
	talkVersion = 1
	maxTalk     = 64 << 10 // bytes of one message: 4 bytes of length, big endian, then JSON
)

// kind is what a member asks for.
type kind string

const (
	askStatus  kind = "status"  // say who you are
	askPromise kind = "promise" // belong to this group, so that the cluster can begin
	askJoin    kind = "join"    // let me in; to the leader
	tellRemove kind = "removed" // an operator took you out
)

// question is sent by one member to another.
type question struct {
	Version int    `json:"version"`
	Kind    kind   `json:"kind"`
	From    status `json:"from"`
	Group   string `json:"group,omitempty"` // askPromise
}

// answer comes back.
type answer struct {
	Status  status `json:"status"`
	Refused string `json:"refused,omitempty"` // why not; it will not change by asking again
	Later   string `json:"later,omitempty"`   // why not now
}

// status is what a member says of itself.
type status struct {
	ID        string        `json:"id"`
	Address   string        `json:"address"`
	Boot      string        `json:"boot"`  // random, of this run of the process: two of one id are two members
	Group     string        `json:"group"` // "": of no cluster yet
	Begun     bool          `json:"begun"` // it has a log
	Expect    int           `json:"expect,omitempty"`
	Sees      []string      `json:"sees,omitempty"` // ids of members without a log that it has heard from, itself included, sorted
	Level     uint32        `json:"level"`          // the highest that it supports
	Version   string        `json:"version,omitempty"`
	ClusterID string        `json:"cluster_id,omitempty"` // of the record
	Leads     bool          `json:"leads,omitempty"`
	Leader    string        `json:"leader,omitempty"` // address
	LastTerm  uint64        `json:"last_term"`        // of its newest entry
	LastIndex uint64        `json:"last_index"`
	Applied   uint64        `json:"applied"` // index of the newest command in its State
	Contact   time.Duration `json:"contact"` // since it heard from the leader; -1: never
	Servers   []server      `json:"servers"` // the configuration as it knows it
}

// server is one entry of a configuration.
type server struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

// serverOf finds a member in the configuration.
func (s *status) serverOf(id string) (server, bool) {
	for _, m := range s.Servers {
		if m.ID == id {
			return m, true
		}
	}
	return server{}, false
}

// talker asks other members and answers them.
type talker struct {
	network  Network
	listener net.Listener
	idle     time.Duration // a connection that is silent for so long is closed
	handle   func(question, net.Conn) answer
	running  sync.WaitGroup
	conns    connections

	mu    sync.Mutex
	lines map[string]*line // by address
}

// line is a kept connection to a member; one question at a time.
type line struct {
	turn chan struct{} // holds one token
	conn net.Conn
}

func newTalker(network Network, idle time.Duration, handle func(question, net.Conn) answer) *talker {
	t := &talker{network: network, listener: network.Listen(ProtocolMember), idle: idle, handle: handle, lines: map[string]*line{}}
	t.running.Go(t.serve)
	return t
}

func (t *talker) serve() {
	for {
		c, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.running.Go(func() {
			if tracked := t.conns.add(c); tracked != nil {
				defer tracked.Close()
				t.converse(tracked)
			}
		})
	}
}

// converse answers until the other end has no more questions.
func (t *talker) converse(c net.Conn) {
	for {
		if c.SetDeadline(time.Now().Add(t.idle)) != nil {
			return
		}
		var q question
		if readMessage(c, &q) != nil {
			return
		}
		a := answer{}
		if q.Version != talkVersion {
			a.Refused = fmt.Sprintf("member protocol %d is not known here, %d is", q.Version, talkVersion)
		} else if err := speaksFor(c, q.From.ID); err != nil {
			a.Refused = err.Error()
		} else {
			a = t.handle(q, c)
		}
		if c.SetDeadline(time.Now().Add(t.idle)) != nil || writeMessage(c, a) != nil {
			return
		}
	}
}

// ask puts a question to the member at an address, over the connection that is kept to it.
func (t *talker) ask(ctx context.Context, address string, q question) (answer, error) {
	l := t.line(address)
	select {
	case <-l.turn:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	kept := l.conn != nil
	a, err := t.over(ctx, l, address, q)
	if err != nil && kept && ctx.Err() == nil { // the kept connection was of a process that is gone
		a, err = t.over(ctx, l, address, q)
	}
	if err != nil {
		return answer{}, fmt.Errorf("member at %s: %w", address, err)
	}
	return a, nil
}

func (t *talker) line(address string) *line {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[address]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		t.lines[address] = l
	}
	return l
}

func (t *talker) over(ctx context.Context, l *line, address string, q question) (a answer, err error) {
	if l.conn == nil {
		c, err := t.network.Dial(ctx, address, ProtocolMember)
		if err != nil {
			return a, err
		}
		tracked := t.conns.add(c)
		if tracked == nil {
			return a, net.ErrClosed
		}
		l.conn = tracked
	}
	deadline, _ := ctx.Deadline()
	err = l.conn.SetDeadline(deadline)
	if err == nil {
		err = writeMessage(l.conn, q)
	}
	if err == nil {
		err = readMessage(l.conn, &a)
	}
	if err == nil && a.Status.ID != "" {
		err = speaksFor(l.conn, a.Status.ID)
	}
	if err != nil {
		err = errors.Join(err, l.conn.Close())
		l.conn = nil
	}
	return a, err
}

// Close ends everything; questions under way fail.
func (t *talker) Close() error {
	err := t.listener.Close()
	t.conns.close()
	t.running.Wait()
	return err
}

func writeMessage(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > maxTalk {
		return fmt.Errorf("a message of %d bytes", len(data))
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}

func readMessage(r io.Reader, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxTalk {
		return fmt.Errorf("a message of %d bytes", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	return json.NewDecoder(bytes.NewReader(data)).Decode(v)
}
