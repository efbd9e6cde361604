package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/seal"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/reconcile"
)

// perform carries out what the record holds and keeps the fleet as the spec in force says, both until either ends.
func (s *server) perform(ctx context.Context, held *seat) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var errs [2]error
	var running sync.WaitGroup
	for i, do := range []func(context.Context) error{
		held.Run,
		func(ctx context.Context) error {
			return held.Keep(ctx, reconcile.Keeping{Offers: s.offers, Meter: s.metrics})
		},
	} {
		running.Go(func() {
			defer stop()
			errs[i] = do(ctx)
		})
	}
	running.Wait()
	return errors.Join(errs[0], errs[1])
}

// watchSpec reads the folder of the configuration, on every member: whichever leads takes up what it says.
func (s *server) watchSpec(ctx context.Context) {
	if s.conf.SpecDir == "" {
		return
	}
	folder := s.console.newSpecFolder(s.conf.SpecDir, s.place(), s.log, func(_ context.Context, o folderOffer) error {
		if hasSecrets(o.Spec) {
			key, err := (*sealer)(s).key()
			if err != nil {
				return err
			}
			seal.Spec(key, o.Spec)
		}
		s.offers.Put(reconcile.Offer{
			Spec: o.Spec, Folder: o.Folder, Commit: o.Commit, Saved: o.Saved,
			By: "spec_dir of " + s.conf.Name, Message: "saved in " + o.Folder, Done: s.offered(o.Folder),
		})
		return nil
	})
	s.folder.Store(folder)
	folder.run(ctx)
}

// folderState is how spec_dir stands on this member, nil when there is none.
func (s *server) folderState() *wire.Folder {
	if f := s.folder.Load(); f != nil {
		return f.good.standing().wire(f.dir)
	}
	return nil
}

// offered says what became of what a folder says.
func (s *server) offered(folder string) func(reconcile.Offered, error) {
	log := s.log.With("folder", folder)
	return func(o reconcile.Offered, err error) {
		switch {
		case err != nil:
			log.Error("the spec couldn't be planned", "error", err)
		case o.Same:
			log.Info("the spec is what is in force", "revision", o.Revision)
		case len(o.Refused) > 0:
			log.Error("nothing of the spec can be done", "why", o.Refused[0].Summary, "more", len(o.Refused)-1)
		case o.Waiting != "":
			log.Warn("the spec waits for approval", "plan", o.Waiting, "why", o.Why)
		default:
			log.Info("the spec is applied", "revision", o.Revision, "operations", len(o.Operations), "request", o.Request)
		}
	}
}

// Looked notes a look at a host.
func (m *serverMetrics) Looked(took time.Duration, reached bool) {
	result := "ok"
	if !reached {
		result = "unreachable"
	}
	m.looks.WithLabelValues(result).Observe(took.Seconds())
}

// Mending notes differences that are mended.
func (m *serverMetrics) Mending(kind drift.Kind, n int) {
	m.mended.WithLabelValues(string(kind)).Add(float64(n))
}

// Stands is for who is asked how the fleet stands: the collector asks the controller.
func (m *serverMetrics) Stands(drift.Standing) {}
