package reconcile

import (
	"context"
	"sync"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

// askSizes begins to ask for the sizes of the images that are going to be brought to hosts, and returns
// what waits for the answers. An image whose size can't be had is left out.
func (c *Controller) askSizes(ctx context.Context, desired *spec.Spec, opts planner.Options) func() map[spec.Address]planner.ImageSeen {
	var asking sync.WaitGroup
	var mu sync.Mutex
	seen := map[spec.Address]planner.ImageSeen{}
	if c.opts.Sizes != nil && !opts.Destroy {
		for _, image := range toBring(c.rec.State(), c.desired(desired)) {
			asking.Go(func() {
				size, err := c.opts.Sizes.SizeOf(ctx, *image)
				if err != nil {
					c.log.Debug("the size of an image is not known", "image", image.Address, "why", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				seen[image.Address] = planner.ImageSeen{Bytes: size}
			})
		}
	}
	return func() map[spec.Address]planner.ImageSeen {
		asking.Wait()
		return seen
	}
}

// toBring returns the images, in spec order, of the instances that have no record yet, and of those that a
// drain takes to another host's own pool.
func toBring(st state.State, desired *spec.Spec) []*spec.Image {
	draining := map[spec.Address]bool{}
	for i := range desired.Hosts {
		if h := &desired.Hosts[i]; h.Mode == spec.ModeDrain {
			draining[h.Address] = true
		}
	}
	wanted := map[spec.Address]bool{}
	for i := range desired.Instances {
		in := &desired.Instances[i]
		if wanted[in.Image] {
			continue
		}
		have, recorded := st.Instances.Get(string(in.Address))
		if !recorded || draining[have.Host] && !have.Pool.Shared {
			wanted[in.Image] = true
		}
	}
	var images []*spec.Image
	for i := range desired.Images {
		if wanted[desired.Images[i].Address] {
			images = append(images, &desired.Images[i])
		}
	}
	return images
}
