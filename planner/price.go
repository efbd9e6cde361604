package planner

import "github.com/novaplan/novaplan/cluster/state"

// What estimates are made of. They are guesses for people, and decide nothing.
const (
	bytesPerSecond         = 110 << 20 // a 1 Gbit/s link
	memoryFill             = 0.6       // part of a guest's memory that is in use, and copied
	overlayFill            = 0.1       // part of a local overlay's size that was written
	secondsPerCreate       = 5
	secondsPerMove         = 3
	secondsPerStop         = 20
	secondsPerOther        = 1
	mib              int64 = 1 << 20
)

// moveBytes estimates what a move copies: memory when live, the overlay when the pool is local.
func moveBytes(r *record, kind state.Kind) int64 {
	var bytes float64
	if kind == state.Live {
		bytes += float64(float64(r.have.Size.MemoryMiB*mib) * memoryFill)
	}
	if !r.have.Pool.Shared {
		bytes += float64(float64(r.have.Size.TotalDiskMiB()*mib) * overlayFill)
	}
	return int64(bytes)
}

// seconds estimates one operation.
func seconds(j *job, bandwidthMiBps int) float64 {
	switch j.op.Action {
	case state.Create:
		return secondsPerCreate
	case state.Migrate:
		rate := float64(bytesPerSecond)
		if bandwidthMiBps > 0 {
			rate = min(rate, float64(int64(bandwidthMiBps)*mib))
		}
		var bytes int64
		if j.change != nil {
			bytes = j.change.Bytes
		}
		return secondsPerMove + float64(bytes)/rate
	case state.Stop, state.Terminate:
		return secondsPerStop
	}
	return secondsPerOther
}

// uploadSeconds estimates how long it takes to bring that much of images to hosts: whatever their number,
// all of it leaves the controller over one link.
func uploadSeconds(bytes int64) float64 { return float64(bytes) / bytesPerSecond }

// price sums bytes and time. Time is the longer of the work of the busiest lane and of each host's.
func (c *computation) price() {
	perHost, total := c.desired.Parallel()
	var all float64
	busy := make([]float64, len(c.hosts))
	for _, j := range c.jobs {
		if j.dropped {
			continue
		}
		s := seconds(j, c.spec.Migration.BandwidthMiBps)
		all += s
		for _, at := range []int{j.from, j.to} {
			if at >= 0 {
				busy[at] += s
			}
		}
	}
	longest := all / float64(max(1, total))
	for _, b := range busy {
		longest = max(longest, b/float64(max(1, perHost)))
	}
	for _, ch := range c.changes {
		c.plan.Summary.Bytes += ch.Bytes
		if ch.Action == ActUpload {
			longest += uploadSeconds(ch.Bytes)
		}
	}
	c.plan.Summary.Seconds = int(longest + 0.5)
}
