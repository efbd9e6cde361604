package libvirt

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Options tune the driver. The zero value is right for real hosts.
type Options struct {
	Logger *slog.Logger // nil: silent

	DialTimeout      time.Duration // to open a connection and log in; 0: 15 s
	CallTimeout      time.Duration // after which a call's outcome is unknown; 0: 60 s
	JobTimeout       time.Duration // to hear of a domain's job, else it counts as held; 0: 3 s
	TransferIdle     time.Duration // after which a transfer without progress is given up; 0: 60 s
	HeartbeatEvery   time.Duration // pause between heartbeats; 0: 5 s
	HeartbeatTimeout time.Duration // after which a silent host is given up; 0: 10 s
	BackoffMin       time.Duration // pause after the first failed dial; 0: 200 ms
	BackoffMax       time.Duration // longest pause between dials; 0: 15 s

	// MigrateTLS makes QEMU encrypt every migration. Without it only those to qemu+tls:// hosts are:
	// the certificates that TLS needs are known to be there only then.
	MigrateTLS bool

	// Dial replaces the driver's own dialling; for tests.
	Dial func(ctx context.Context, endpoint Endpoint) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&o.DialTimeout, 15 * time.Second},
		{&o.CallTimeout, 60 * time.Second},
		{&o.JobTimeout, 3 * time.Second},
		{&o.TransferIdle, 60 * time.Second},
		{&o.HeartbeatEvery, 5 * time.Second},
		{&o.HeartbeatTimeout, 10 * time.Second},
		{&o.BackoffMin, 200 * time.Millisecond},
		{&o.BackoffMax, 15 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	if o.Dial == nil {
		o.Dial = dial
	}
	return o
}
