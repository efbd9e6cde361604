package auth

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	osuser "os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/novaplan/novaplan/cluster/state"
)

// peer is who is at the other end of a connection, as far as the connection itself says.
type peer struct {
	caller Caller
	tls    func() tls.ConnectionState // nil: no TLS
}

type peerKey struct{}

// ConnContext notes who is at the other end of a connection; it is for http.Server.ConnContext.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	p := peer{caller: Caller{Kind: Nobody, From: conn.RemoteAddr().String()}}
	switch c := conn.(type) {
	case *net.UnixConn:
		p.caller = unixPeer(c)
	case interface{ ConnectionState() tls.ConnectionState }:
		p.tls = c.ConnectionState
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// InProcess says that whoever connects is this process; it is for http.Server.ConnContext of a pipe.
func InProcess(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peer{caller: Caller{Kind: Local, Role: state.Admin, From: "this process"}})
}

// FromMember says that another member is at the other end, as the port that the connection came through has made sure;
// it is for http.Server.ConnContext. A connection that knows which member has a method Peer.
func FromMember(ctx context.Context, conn net.Conn) context.Context {
	c := Caller{Kind: Member, Role: state.Admin, From: conn.RemoteAddr().String()}
	if p, ok := conn.(interface{ Peer() string }); ok {
		c.Name = p.Peer()
	}
	return context.WithValue(ctx, peerKey{}, peer{caller: c})
}

// unixPeer asks the kernel who connected. Who runs this process, and root, may do everything: they could read its
// memory anyway.
func unixPeer(conn *net.UnixConn) Caller {
	nobody := Caller{Kind: Nobody, From: "unix socket"}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nobody
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || credErr != nil {
		return nobody
	}
	return unixCaller(int(cred.Uid), os.Getuid(), int(cred.Pid))
}

func unixCaller(uid, owner, pid int) Caller {
	c := Caller{Kind: Unix, Name: userName(uid), From: "unix socket, pid " + strconv.Itoa(pid)}
	if uid == 0 || uid == owner {
		c.Role = state.Admin
	}
	return c
}

func userName(uid int) string {
	if u, err := osuser.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}
