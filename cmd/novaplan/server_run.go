package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/pki"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/cluster/transport"
	"github.com/novaplan/novaplan/reconcile"
)

// server is a running server.
type server struct {
	console *console
	conf    *serverConfig
	path    string // of the configuration
	restore string // path of the record to begin with; "": none
	log     *slog.Logger
	level   *slog.LevelVar
	notify  notifier

	keeper  *pki.Keeper // nil: plain text
	port    *transport.Port
	node    *cluster.Node
	metrics *serverMetrics
	works   *works
	seats   *seats
	offers  *reconcile.Offers          // of spec_dir
	folder  atomic.Pointer[specFolder] // spec_dir; nil: not watched, or not yet
	web     *web

	stopping atomic.Bool
}

// serve runs a server until ctx ends, a signal says so, or it can't go on.
func (c *console) serve(ctx context.Context, conf *serverConfig, path, restore string) error {
	s := &server{
		console: c, conf: conf, path: path, restore: restore, level: new(slog.LevelVar), notify: newNotifier(),
		seats: newSeats(), offers: reconcile.NewOffers(),
	}
	s.level.Set(conf.LogLevel)
	s.log = newLog(c.Err, conf.LogJSON, s.level)
	if err := s.open(ctx); err != nil {
		return errors.Join(err, s.close(context.Background()))
	}
	s.notify.tell("READY=1\nSTATUS=ready")
	s.log.Info("serving", "name", conf.Name, "version", version, "address", s.port.Address(), "socket", cluster.Socket(conf.DataDir), "tls", s.keeper != nil)
	err := s.attend(ctx)
	s.notify.tell("STOPPING=1\nSTATUS=stopping")
	return errors.Join(err, s.close(context.Background()))
}

// open opens the data, the port and the sockets. What was opened is closed by close.
func (s *server) open(ctx context.Context) error {
	if err := os.MkdirAll(s.conf.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if err := s.openPort(); err != nil {
		return err
	}
	node, err := cluster.Open(ctx, s.conf.DataDir, cluster.Options{
		Membership: &cluster.Membership{
			ID: s.conf.Name, Network: s.port, Profile: s.conf.Profile, BootstrapExpect: s.conf.Expect, RetryJoin: s.conf.RetryJoin,
			Restore: s.restore, Version: version,
		},
		Mode: s.conf.Mode, Fleet: s.conf.Fleet, Logger: s.log, Fatal: s.diskHangs,
	})
	if err != nil {
		return explainData(err)
	}
	s.node = node
	s.metrics = newServerMetrics(s)
	s.works = &works{node: node, seats: s.seats, planned: s.metrics.planned}
	s.web, err = s.openWeb()
	return err
}

func (s *server) openPort() error {
	if s.conf.TLS != nil {
		keeper, err := pki.Open(*s.conf.TLS, nil, s.renewed)
		if err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		s.keeper = keeper
	}
	port, err := transport.Listen(s.conf.Address, transport.Options{Keeper: s.keeper, Advertise: s.conf.Advertise, Log: s.log})
	s.port = port
	return err
}

// renewed is told when the files of the certificate have changed.
func (s *server) renewed(err error) {
	if err != nil {
		s.log.Error("the changed certificate can't be used, the old one stays in use", "error", err)
		return
	}
	s.log.Info("the certificate was renewed") // until when is on /metrics
}

// diskHangs ends the process at once: a leader that can't write keeps its followers from electing another. A
// hanging write can't be waited for, so nothing is closed.
func (s *server) diskHangs(err error) {
	s.log.Error("the disk hangs: ending, so that another member can lead", "error", err)
	os.Exit(exitError)
}

// explainData says what to do about a data folder that can't be opened.
func explainData(err error) error {
	var locked *cluster.LockedError
	if errors.As(err, &locked) {
		return fmt.Errorf("%w: is this server running already?", err)
	}
	return err
}

// place is where the world of simulated or real hosts is.
func (s *server) place() place {
	return place{
		fleet: s.conf.Fleet, simulate: s.conf.Mode == state.Sim, command: "server",
		simulated: s.conf.SimDir, images: filepath.Join(s.conf.DataDir, "images"), key: s.conf.SecretsKey,
	}
}

// attend works until it is to end. A second signal doesn't wait.
func (s *server) attend(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	work, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	ended := make(chan error, 1)
	running.Go(func() { ended <- s.work(work) })
	running.Go(func() { s.notify.watch(work, s.alive) })
	for {
		select {
		case <-hangup:
			s.reload()
		case err := <-ended:
			return s.why(err)
		case <-s.node.Down():
			return s.why(s.node.Err())
		case <-ctx.Done():
			s.stopping.Store(true)
			s.log.Info("stopping")
			impatient, calm := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer calm()
			s.finish(impatient)
			stop()
			running.Wait()
			return nil
		}
	}
}

// why says why a server ended that nobody told to.
func (s *server) why(err error) error {
	if cause := s.node.Err(); cause != nil {
		err = cause
	}
	s.log.Error("can't go on", "error", err)
	return err
}

// alive is for systemd's watchdog: the record answers, and it isn't down.
func (s *server) alive() bool {
	_ = s.node.State() // returns, or the watchdog bites
	return s.node.Err() == nil
}

// reload reads the certificate and the log level again.
func (s *server) reload() {
	s.notify.tell("RELOADING=1")
	defer s.notify.tell("READY=1")
	if s.keeper != nil {
		if err := s.keeper.Reload(); err != nil {
			s.log.Error("the certificate can't be used, the old one stays in use", "error", err)
		}
	}
	conf, _, diags := readServerConfig(s.path)
	if diags.HasErrors() {
		s.log.Error("the configuration has mistakes, the old log level stays", "mistakes", len(diags), "first", diags[0].Summary)
		return
	}
	s.level.Set(conf.LogLevel)
	s.log.Info("reloaded", "level", conf.LogLevel.String())
}

// leaveWait bounds how long another member may take to be elected when this one leaves.
const leaveWait = 5 * time.Second

// close ends everything: leadership first, so that the others lose no time; then who is connected, the hosts,
// the record and the port.
func (s *server) close(ctx context.Context) error {
	var errs []error
	if s.node != nil && s.node.Term() != 0 {
		ctx, cancel := context.WithTimeout(ctx, leaveWait)
		if err := s.node.TransferLeadership(ctx, ""); err != nil {
			s.log.Debug("nobody takes over", "error", err)
		}
		cancel()
	}
	errs = append(errs, s.seats.replace(nil))
	if s.web != nil {
		errs = append(errs, s.web.close(ctx))
	}
	if s.node != nil {
		errs = append(errs, s.node.Close())
	}
	if s.port != nil {
		errs = append(errs, s.port.Close())
	}
	return errors.Join(errs...)
}
