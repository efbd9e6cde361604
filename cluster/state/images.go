package state

import (
	"fmt"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// CachedImage is an image in a pool that disks of recorded instances were seen to stand on: so novaplan brought it
// there, and may delete it when nothing has stood on it for a while.
type CachedImage struct {
	Host   spec.Address `json:"host"` // where it is; any host for a shared pool
	Pool   Pool         `json:"pool"`
	Volume string       `json:"volume"`  // its name, never derived
	UsedAt time.Time    `json:"used_at"` // when something was last seen to stand on it
}

// Key names the image in the record.
func (c *CachedImage) Key() string { return PoolKey(c.Host, c.Pool) + keySep + c.Volume }

// NoteImages records what a look at the pools has found.
type NoteImages struct {
	Used []CachedImage `json:"used,omitempty"` // something stands on them now
	Gone []string      `json:"gone,omitempty"` // keys of those that were deleted
}

func (t *transition) noteImages(c *NoteImages) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	for i := range c.Used {
		image := c.Used[i]
		if image.Volume == "" || image.Host == "" && !image.Pool.Shared {
			return refuse(Invalid, "a cached image needs a volume and a host, not %q, %q", image.Volume, image.Host)
		}
		image.UsedAt = t.Time
		t.Images = t.Images.With(image.Key(), &image)
	}
	for _, key := range c.Gone {
		if image, ok := t.Images.Get(key); ok {
			t.Images = t.Images.Without(key)
			t.event(Event{Kind: "image", Address: image.Host, Message: fmt.Sprintf("cached image %s/%s deleted, unused since %s",
				image.Pool.Dir(), image.Volume, image.UsedAt.Format("2006-01-02 15:04:05"))})
		}
	}
	return nil
}

// IdleImages returns the cached images on which nothing has stood for an age, by replicated time, in order of key.
// There are none while an operation isn't finished, which may be about to use one, or a clock jump holds
// deletions back.
func (st State) IdleImages(age time.Duration) []*CachedImage {
	if st.purgesWait() {
		return nil
	}
	for _, op := range st.Operations.All() {
		if !op.Phase.Final() {
			return nil
		}
	}
	var idle []*CachedImage
	for _, image := range st.Images.All() {
		if !st.Time.Before(image.UsedAt.Add(age)) {
			idle = append(idle, image)
		}
	}
	return idle
}
