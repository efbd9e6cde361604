package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/auth"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/pki"
	"github.com/novaplan/novaplan/cluster/state"
)

// Limits of connections that speak HTTP.
const (
	headerWait = 10 * time.Second
	idleWait   = 2 * time.Minute
	maxHeader  = 64 << 10
	goodbye    = 5 * time.Second // for requests that are under way when the server ends
)

// web is everything that speaks HTTP: the API, metrics, health, and profiles on the local socket.
type web struct {
	servers []*http.Server
	serving sync.WaitGroup
	handler atomic.Pointer[api.Handler] // nil until the cluster has a record
	auth    *auth.Authenticator
	forward *forward
}

// openWeb serves on the port, on what members pass on, and on the local socket.
func (s *server) openWeb() (*web, error) {
	w := &web{auth: &auth.Authenticator{Tokens: s.node.State, Certificate: certificateOf}}
	w.forward = newForward(s.port.Dial, func() string {
		_, address := s.node.Leader()
		return address
	})
	socket, err := listenLocal(cluster.Socket(s.conf.DataDir))
	if err != nil {
		return nil, err
	}
	open := s.webHandler(w)
	local := http.NewServeMux()
	local.Handle("/", open)
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		local.HandleFunc(path, h)
	}
	s.serveOn(w, s.port.API(), open, auth.ConnContext)
	s.serveOn(w, s.port.Listen(protocolAPI), open, auth.FromMember)
	s.serveOn(w, socket, local, auth.ConnContext)
	return w, nil
}

func (s *server) serveOn(w *web, l net.Listener, h http.Handler, who func(context.Context, net.Conn) context.Context) {
	server := &http.Server{
		Handler: h, ConnContext: who, ReadHeaderTimeout: headerWait, IdleTimeout: idleWait, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	w.servers = append(w.servers, server)
	w.serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("not serving any more", "address", l.Addr().String(), "error", err)
		}
	})
}

// certificateOf says who a client certificate is for.
func certificateOf(cs tls.ConnectionState) (name, role string, ok bool) {
	id, err := pki.IdentityOf(cs)
	return id.Name, string(id.Role), err == nil
}

// webHandler is what the port answers.
func (s *server) webHandler(w *web) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { say(rw, s.node.Err()) })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) { say(rw, s.ready(w)) })
	if s.conf.Metrics != metricsOff {
		mux.Handle("GET /metrics", s.mayLook(w, s.metrics.handler()))
	}
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		h := s.awaitAPI(r.Context(), w)
		if h == nil {
			notBegun(rw, s.conf.Expect)
			return
		}
		if r.URL.Path != "/v1/health" && r.URL.Query().Get("stale") == "" {
			s.awaitLeader(r.Context())
		}
		h.ServeHTTP(rw, r)
	})
	return s.metrics.requests(mux)
}

// notBegun answers while the members haven't found each other.
func notBegun(w http.ResponseWriter, expect int) {
	p := wire.ProblemOf(&wire.Error{
		Code: api.CodeNoLeader, Message: "the cluster hasn't begun: this server waits for the others",
		Detail: []string{fmt.Sprintf("It begins with %d members; its log says whom it can't reach.", expect)},
	}, http.StatusServiceUnavailable, "")
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client went away: nobody is left to tell
}

func say(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// ready says why requests had better go to another member; nil when they needn't.
func (s *server) ready(w *web) error {
	switch _, leader := s.node.Leader(); {
	case s.stopping.Load():
		return errors.New("stopping")
	case s.node.Err() != nil:
		return s.node.Err()
	case w.handler.Load() == nil:
		return errors.New("the cluster hasn't begun")
	case leader == "":
		return errors.New("no leader is known")
	}
	return nil
}

// mayLook lets in who may look at the fleet, when metrics are for them only.
func (s *server) mayLook(w *web, next http.Handler) http.Handler {
	if s.conf.Metrics == metricsForAll {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		caller, err := w.auth.Authenticate(r)
		if err != nil || !caller.Role.Includes(state.Viewer) {
			http.Error(rw, `metrics are for viewers: send a token or a certificate, or set metrics = "open"`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// serveAPI answers the API from now on: there is a record.
func (s *server) serveAPI() {
	st := s.node.State()
	s.web.handler.Store(api.New(api.Ports{
		Planner: s.works, Executor: s.works, Inspector: s.works, Consoles: s.works,
		Record: s.node, Members: (*members)(s), Sealer: (*sealer)(s), Auth: s.web.auth,
		Leader: func() (string, bool) {
			id, address := s.node.Leader()
			return address, id == s.conf.Name
		},
		Verify: s.node.Verify, LastContact: s.lastContact, Forward: s.web.forward, Shared: true, Log: s.log, Folder: s.folderState, Standing: s.works.Standing,
		Identity: wire.Identity{
			Version: version, PID: os.Getpid(), Command: "server", Mode: string(st.Mode), Cluster: st.ClusterID, Fleet: st.Fleet,
		},
	}))
}

// close ends all connections; requests get a moment to end.
func (w *web) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	var ending sync.WaitGroup
	for _, server := range w.servers {
		ending.Go(func() {
			if server.Shutdown(ctx) != nil {
				_ = server.Close()
			}
		})
	}
	ending.Wait()
	w.forward.CloseIdleConnections()
	w.serving.Wait()
	return nil
}
