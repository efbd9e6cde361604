package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// typedParams are libvirt's name-value lists.
type typedParams []golibvirt.TypedParam

// integer returns a numeric parameter, or 0.
func (p typedParams) integer(name string) int64 {
	for _, param := range p {
		if param.Field != name {
			continue
		}
		switch value := param.Value.I.(type) {
		case int32:
			return int64(value)
		case uint32:
			return int64(value)
		case int64:
			return value
		case uint64:
			return int64(value)
		}
	}
	return 0
}

// job is a domain's running job.
type job struct {
	operation golibvirt.DomainJobOperation
	progress  hypervisor.Job
}

// job returns the domain's running job; its operation is DomainJobOperationStrUnknown when none runs.
func (h *host) job(ctx context.Context, dom golibvirt.Domain) (job, error) {
	return ask(ctx, h, func(rpc *golibvirt.Libvirt) (job, error) { return jobOn(rpc, dom) })
}

func jobOn(rpc *golibvirt.Libvirt, dom golibvirt.Domain) (job, error) {
	kind, params, err := rpc.DomainGetJobStats(dom, 0)
	if err != nil || golibvirt.DomainJobType(kind) == golibvirt.DomainJobNone {
		return job{}, err
	}
	return jobOf(params), nil
}

func jobOf(params typedParams) job {
	return job{
		operation: golibvirt.DomainJobOperation(params.integer(golibvirt.DomainJobOperationStr)),
		progress: hypervisor.Job{
			BytesTotal:     params.integer(golibvirt.DomainJobDataTotal),
			BytesDone:      params.integer(golibvirt.DomainJobDataProcessed),
			BytesRemaining: params.integer(golibvirt.DomainJobDataRemaining),
			BytesPerSecond: params.integer(golibvirt.DomainJobMemoryBps) + params.integer(golibvirt.DomainJobDiskBps),
			DirtyRate:      params.integer(golibvirt.DomainJobMemoryDirtyRate) * params.integer(golibvirt.DomainJobMemoryPageSize),
			ElapsedMs:      params.integer(golibvirt.DomainJobTimeElapsed),
			DowntimeMs:     params.integer(golibvirt.DomainJobDowntime),
		},
	}
}

// GetJob implements hypervisor.Migration.
func (h *host) GetJob(ctx context.Context, id string) (hypervisor.Job, error) {
	what := "read job of domain " + id
	dom, err := domainRef(id)
	if err != nil {
		return hypervisor.Job{}, h.fail(what, err, false)
	}
	running, err := h.job(ctx, dom)
	if err != nil {
		return hypervisor.Job{}, h.fail(what, err, false)
	}
	if running.operation == golibvirt.DomainJobOperationStrUnknown {
		return hypervisor.Job{}, h.failAs(what, hypervisor.ErrNotFound, "none runs")
	}
	return running.progress, nil
}
