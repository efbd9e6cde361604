package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/novaplan/novaplan/cluster/pki"
)

// Dial connects to another member. It returns when both sides have accepted each other; errors name the
// address and say what to do about certificates. ctx bounds that, and so does Options.Handshake.
func (p *Port) Dial(ctx context.Context, address, protocol string) (net.Conn, error) {
	conn, err := p.dial(ctx, address, protocol, true)
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", address, pki.Explain(err))
	}
	return conn, nil
}

// DialAPI connects to the API of another member, as this member.
func (p *Port) DialAPI(ctx context.Context, address string) (net.Conn, error) {
	conn, err := p.dial(ctx, address, http1, false)
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", address, pki.Explain(err))
	}
	return conn, nil
}

func (p *Port) dial(ctx context.Context, address, protocol string, member bool) (_ net.Conn, err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if p.opts.Keeper == nil && !loopback(host) {
		return nil, ErrPlain
	}
	ctx, done := context.WithTimeout(ctx, p.opts.Handshake)
	defer done()
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = raw.Close()
			err = timely(ctx, err)
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := raw
	if p.opts.Keeper != nil {
		secure := tls.Client(raw, p.opts.Keeper.Member(protocol))
		if err := secure.HandshakeContext(ctx); hungUp(err) {
			return nil, fmt.Errorf("it hung up when it was greeted: is it a server without a certificate, or another program? (%w)", err)
		} else if err != nil {
			return nil, err
		}
		conn = secure
	} else if member {
		if _, err := fmt.Fprintf(raw, "%c%s\n", plainMember, protocol); err != nil {
			return nil, err
		}
	}
	if member {
		if err := awaitWelcome(conn); err != nil {
			return nil, err
		}
		if secure, ok := conn.(*tls.Conn); ok {
			conn = known(secure)
		}
	}
	if !stop() {
		return nil, timely(ctx, ctx.Err())
	}
	return conn, nil
}

// timely says that time ran out instead of what the connection said because of that.
func timely(ctx context.Context, err error) error {
	if cause := ctx.Err(); errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("the other side didn't finish the handshake in time: %w", cause)
	} else if cause != nil {
		return cause
	}
	return err
}

func awaitWelcome(conn net.Conn) error {
	var b [1]byte
	switch _, err := io.ReadFull(conn, b[:]); {
	case hungUp(err):
		return errors.New("it hung up: it isn't ready for this protocol, wants TLS, or is no novaplan server of this fleet")
	case err != nil:
		return err
	case b[0] != welcome:
		return errors.New("it is no novaplan server: it speaks something else, or wants TLS")
	}
	return nil
}

func hungUp(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// memberConn is a connection whose other end has shown a member's certificate.
type memberConn struct {
	net.Conn
	peer string
}

// Peer returns the name in the certificate at the other end.
func (c *memberConn) Peer() string { return c.peer }

func known(conn *tls.Conn) *memberConn {
	id, err := pki.IdentityOf(conn.ConnectionState())
	if err != nil { // who calls a member verifies its certificate itself
		id, _ = pki.FromCertificate(conn.ConnectionState().PeerCertificates[0])
	}
	return &memberConn{conn, id.Name}
}
