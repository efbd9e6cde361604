package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

// progressEvery is the pause between two looks at a migration's job.
const progressEvery = 500 * time.Millisecond

// Migrate implements hypervisor.Migration. The call has a connection of its own; ending ctx leaves it to run on.
//
// libvirt copies no read-only disk. With CopyDisks, the files of config drives must be at the destination beforehand,
// like the empty overlays. libvirt makes none that is missing, for the copy is one onto a backing file: a migration
// into files that were deleted is refused.
func (h *host) Migrate(ctx context.Context, id string, req hypervisor.MigrateRequest, progress func(hypervisor.Job)) error {
	what := "migrate domain " + id + " to " + req.Dest.Name
	dom, err := domainRef(id)
	if err != nil {
		return h.fail(what, err, true)
	}
	before, err := h.state(ctx, dom)
	if err != nil {
		return h.fail(what, err, false)
	}
	if !before.active() {
		return h.failAs(what, hypervisor.ErrState, "it is off")
	}
	order, err := h.prepareMigration(ctx, dom, req)
	if err != nil {
		return h.fail(what, err, false)
	}
	err = h.followed(ctx, dom, progress, func() error {
		return h.withSession(ctx, false, func(s *session) error {
			_, err := s.rpc.DomainMigratePerform3Params(dom, golibvirt.OptString{order.peer}, order.params, nil, order.flags)
			return err
		})
	})
	return h.fail(what, h.judgeMigration(ctx, dom, before, err), true)
}

// migrationOrder is a migration as libvirt wants it.
type migrationOrder struct {
	peer   string
	params []golibvirt.TypedParam
	flags  golibvirt.DomainMigrateFlags
}

func (h *host) prepareMigration(ctx context.Context, dom golibvirt.Domain, req hypervisor.MigrateRequest) (migrationOrder, error) {
	order := migrationOrder{peer: firstText(req.Dest.PeerURI, req.Dest.URI)}
	peer, err := peerEndpoint(order.peer)
	if err != nil {
		return order, fmt.Errorf("%w: %w", hypervisor.ErrRefused, err)
	}
	order.flags = migrateFlags(req, h.opts.MigrateTLS || peer.Transport == TransportTLS)
	live, err := h.migratableXML(ctx, dom, 0)
	if err != nil {
		return order, err
	}
	persistent, err := h.migratableXML(ctx, dom, golibvirt.DomainXMLInactive)
	if err != nil {
		return order, err
	}
	if order.params, err = migrateParams(req, live, persistent); err != nil {
		return order, fmt.Errorf("%w: %w", hypervisor.ErrRefused, err)
	}
	if req.MaxDowntimeMs <= 0 {
		return order, nil
	}
	return order, h.do(ctx, func(rpc *golibvirt.Libvirt) error {
		return rpc.DomainMigrateSetMaxDowntime(dom, uint64(req.MaxDowntimeMs), 0)
	})
}

// peerEndpoint refuses a URI that means something else on another host.
func peerEndpoint(uri string) (Endpoint, error) {
	e, err := ParseURI(uri)
	if err == nil && e.Transport == TransportUnix {
		err = fmt.Errorf("%s can't be reached from another host: set the destination's peer_uri", uri)
	}
	return e, err
}

// migrateFlags: peer to peer, so that a controller that dies strands nothing; MigrateUnsafe only on the spec's
// word that both hosts see the same storage, which libvirt can't know of a plain directory.
func migrateFlags(req hypervisor.MigrateRequest, tls bool) golibvirt.DomainMigrateFlags {
	flags := golibvirt.MigratePeer2peer | golibvirt.MigrateLive | golibvirt.MigratePersistDest |
		golibvirt.MigrateUndefineSource | golibvirt.MigrateChangeProtection | golibvirt.MigrateAbortOnError |
		golibvirt.MigrateAutoConverge
	if req.SharedStorage {
		flags |= golibvirt.MigrateUnsafe
	}
	if len(req.CopyDisks) > 0 {
		flags |= golibvirt.MigrateNonSharedInc
	}
	if tls {
		flags |= golibvirt.MigrateTLS
	}
	return flags
}

func migrateParams(req hypervisor.MigrateRequest, live, persistent string) ([]golibvirt.TypedParam, error) {
	liveThere, err := domainxml.Retarget(live, req.Stamp, req.NICs, req.Renames)
	if err != nil {
		return nil, err
	}
	persistentThere, err := domainxml.Retarget(persistent, req.Stamp, req.NICs, req.Renames)
	if err != nil {
		return nil, err
	}
	params := []golibvirt.TypedParam{
		textParam(golibvirt.MigrateParamDestXML, liveThere),
		textParam(golibvirt.MigrateParamPersistXML, persistentThere),
	}
	if req.BandwidthMiBps > 0 {
		params = append(params, golibvirt.TypedParam{
			Field: golibvirt.MigrateParamBandwidth,
			Value: *golibvirt.NewTypedParamValueUllong(uint64(req.BandwidthMiBps)),
		})
	}
	if len(req.CopyDisks) == 0 {
		return params, nil
	}
	devices, err := diskDevices(live, req.CopyDisks)
	for _, dev := range devices {
		params = append(params, textParam(golibvirt.MigrateParamMigrateDisks, dev))
	}
	return params, err
}

// diskDevices finds the names by which libvirt knows the disks with those files.
func diskDevices(text string, paths []string) ([]string, error) {
	decoded, err := domainxml.Decode(text)
	if err != nil {
		return nil, err
	}
	devs := map[string]string{}
	for _, d := range decoded.Disks {
		devs[d.Path] = d.Dev
	}
	var devices []string
	for _, path := range paths {
		dev, ok := devs[path]
		if !ok {
			return nil, fmt.Errorf("the domain has no disk %s", path)
		}
		devices = append(devices, dev)
	}
	return devices, nil
}

func (h *host) migratableXML(ctx context.Context, dom golibvirt.Domain, extra golibvirt.DomainXMLFlags) (string, error) {
	return ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) {
		return rpc.DomainGetXMLDesc(dom, golibvirt.DomainXMLMigratable|golibvirt.DomainXMLSecure|extra)
	})
}

func textParam(name, value string) golibvirt.TypedParam {
	return golibvirt.TypedParam{Field: name, Value: *golibvirt.NewTypedParamValueString(value)}
}

func firstText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// followed runs fn and reports the domain's job meanwhile, over the shared connection.
func (h *host) followed(ctx context.Context, dom golibvirt.Domain, progress func(hypervisor.Job), fn func() error) error {
	if progress == nil {
		return fn()
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if running, err := h.job(ctx, dom); err == nil && running.operation == golibvirt.DomainJobOperationStrMigrationOut {
				progress(running.progress)
			}
		}
	}()
	err := fn()
	cancel()
	<-done
	return err
}

// judgeMigration decides what a failed migration means. Only a guest seen here as it was makes the failure certain:
// libvirt's error alone can come from either end and any phase.
func (h *host) judgeMigration(ctx context.Context, dom golibvirt.Domain, before domainState, err error) error {
	var said golibvirt.Error
	if err == nil || !errors.As(err, &said) {
		return err
	}
	after, lookErr := h.state(ctx, dom)
	switch {
	case lookErr != nil:
		return fmt.Errorf("%w: %w (and then: %w)", hypervisor.ErrUnknown, err, lookErr)
	case after.state != before.state:
		return fmt.Errorf("%w: %w", hypervisor.ErrUnknown, err)
	}
	switch means := sentinelOf(said); {
	case errors.Is(means, hypervisor.ErrAborted), errors.Is(means, hypervisor.ErrState), errors.Is(means, hypervisor.ErrNoSpace):
		return fmt.Errorf("%w: %w", means, err)
	}
	return fmt.Errorf("%w: %w", hypervisor.ErrRefused, err)
}

// AbortMigration implements hypervisor.Migration.
func (h *host) AbortMigration(ctx context.Context, id string) error {
	return h.change(ctx, "abort the job of", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainAbortJob(dom)
	})
}
