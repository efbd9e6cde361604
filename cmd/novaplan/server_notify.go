package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// notifier tells systemd how the service is (sd_notify(3)); without systemd it tells nobody.
type notifier struct {
	socket   string
	watchdog time.Duration // 0: systemd doesn't watch
}

func newNotifier() notifier {
	n := notifier{socket: os.Getenv("NOTIFY_SOCKET")}
	if rest, ok := strings.CutPrefix(n.socket, "@"); ok { // an abstract socket
		n.socket = "\x00" + rest
	}
	pid := os.Getenv("WATCHDOG_PID")
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	return n
}

// tell sends one assignment, such as READY=1. What can't be sent is lost: the service is none the worse.
func (n notifier) tell(format string, args ...any) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, format, args...)
}

// watch says that the service is alive, as long as it is: twice in each of systemd's intervals.
func (n notifier) watch(ctx context.Context, alive func() bool) {
	if n.watchdog == 0 {
		return
	}
	tick := time.NewTicker(n.watchdog / 2)
	defer tick.Stop()
	for {
		if alive() {
			n.tell("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
