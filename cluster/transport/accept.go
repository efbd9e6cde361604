package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/novaplan/novaplan/cluster/pki"
)

// The first bytes of connections.
const (
	plainMember = 0x00 // of a member's preamble: NUL, protocol, newline
	tlsRecord   = 0x16 // of a TLS handshake
	welcome     = 0x01 // what a member answers when it has accepted a member
)

// maxPreamble bounds a preamble.
const maxPreamble = 64

// The protocols of the API, as TLS negotiates them.
const (
	http1 = "http/1.1"
	http2 = "h2"
)

// Accepting goes on after errors such as too many open files, a little later.
const (
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
)

func (p *Port) accept() {
	pause := shortestPause
	for {
		conn, err := p.socket.Accept()
		if err == nil {
			pause = shortestPause
			p.count(func(s *Stats) *uint64 { return &s.Accepted })
			p.admit(conn)
			continue
		}
		if p.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		p.opts.Log.Error("can't accept connections", "error", err)
		select {
		case <-p.ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

func (p *Port) admit(conn net.Conn) {
	leave, first := p.gate.enter(conn.RemoteAddr())
	if leave == nil {
		if first {
			p.opts.Log.Warn("too many connections say nothing: new ones are refused", "from", conn.RemoteAddr().String())
		}
		p.count(func(s *Stats) *uint64 { return &s.Refused })
		_ = conn.Close()
		return
	}
	p.serving.Go(func() {
		defer leave()
		ctx, done := context.WithTimeout(p.ctx, p.opts.Handshake)
		defer done()
		if err := p.sort(ctx, conn); err != nil {
			p.count(func(s *Stats) *uint64 { return &s.Failed })
			p.log(conn, err)
			_ = conn.Close()
		}
	})
}

// log says why a connection wasn't let in; who just went away isn't worth a line, nor a member that calls before
// this one is ready.
func (p *Port) log(conn net.Conn, err error) {
	from := conn.RemoteAddr().String()
	p.mu.Lock()
	begun := len(p.members) > 0
	p.mu.Unlock()
	if !begun || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
		p.opts.Log.Debug("connection ended early", "from", from, "error", err)
		return
	}
	p.opts.Log.Info("connection refused", "from", from, "error", pki.Explain(err))
}

// sort finds out what a connection wants and hands it over. On an error the caller closes it.
func (p *Port) sort(ctx context.Context, raw net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var (
		conn net.Conn
		to   *listener
		err  error
	)
	if p.opts.Keeper == nil {
		conn, to, err = p.sortPlain(raw)
	} else {
		conn, to, err = p.sortTLS(ctx, raw)
	}
	if err != nil {
		return timely(ctx, err)
	}
	if to != p.api {
		if _, err := conn.Write([]byte{welcome}); err != nil {
			return timely(ctx, err)
		}
	}
	if !stop() {
		return timely(ctx, ctx.Err())
	}
	if !to.deliver(ctx, conn) {
		return fmt.Errorf("protocol %q: nobody takes connections", to.protocol)
	}
	return nil
}

func (p *Port) sortTLS(ctx context.Context, raw net.Conn) (net.Conn, *listener, error) {
	conn := tls.Server(raw, &tls.Config{GetConfigForClient: p.configFor})
	if err := conn.HandshakeContext(ctx); err != nil {
		answerPlain(err)
		return conn, nil, err
	}
	switch protocol := conn.ConnectionState().NegotiatedProtocol; protocol {
	case "", http1, http2:
		return conn, p.api, nil
	default:
		if l := p.member(protocol); l != nil {
			return known(conn), l, nil
		}
		return conn, nil, fmt.Errorf("protocol %s: %w", protocol, net.ErrClosed)
	}
}

// configFor looks at what a client wants to speak: members show certificates, others may.
func (p *Port) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	for _, protocol := range hello.SupportedProtos {
		if p.member(protocol) != nil {
			return p.opts.Keeper.Accept(true, protocol), nil
		}
	}
	return p.opts.Keeper.Accept(false, http2, http1), nil
}

// answerPlain tells a browser or curl that came without TLS what to do.
func answerPlain(err error) {
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || header.Conn == nil {
		return
	}
	for _, method := range []string{"GET", "POST", "PUT", "HEAD", "OPTIO", "DELET", "PATCH"} {
		if bytes.HasPrefix(header.RecordHeader[:], []byte(method)) {
			_, _ = io.WriteString(header.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis port speaks TLS: use https.\n")
			return
		}
	}
}

func (p *Port) sortPlain(conn net.Conn) (net.Conn, *listener, error) {
	r := bufio.NewReaderSize(conn, maxPreamble)
	first, err := r.Peek(1)
	if err != nil {
		return conn, nil, err
	}
	switch first[0] {
	case tlsRecord:
		return conn, nil, errors.New("somebody spoke TLS, and this server has no certificate: give it one, or call it with http://")
	case plainMember:
	default:
		return &peeked{conn, r}, p.api, nil
	}
	line, err := r.ReadSlice('\n')
	if err != nil {
		return conn, nil, fmt.Errorf("preamble: %w", err)
	}
	protocol := string(line[1 : len(line)-1])
	if l := p.member(protocol); l != nil {
		return &peeked{conn, r}, l, nil
	}
	return conn, nil, fmt.Errorf("protocol %q: %w", protocol, net.ErrClosed)
}

// peeked is a connection of which something was read already.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

// Read reads what was peeked at, then the rest.
func (c *peeked) Read(b []byte) (int, error) {
	if c.r != nil && c.r.Buffered() > 0 {
		return c.r.Read(b)
	}
	c.r = nil
	return c.Conn.Read(b)
}
