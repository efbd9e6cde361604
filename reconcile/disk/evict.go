package disk

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// ErrInUse: something stands on the image.
var ErrInUse = errors.New("in use")

// Evict deletes a cached image on which nothing stands; volume is its name. The place is burnt first, which the marker's
// growing does: whoever looks for the image from then on goes to the next place, so that a deletion that takes effect
// late hits nothing that somebody has come to stand on. An image that isn't there any more is no error; ErrInUse is.
func Evict(ctx context.Context, host hypervisor.Host, pool hypervisor.Pool, volume string) error {
	base := strings.TrimSuffix(volume, path.Ext(volume))
	if !strings.HasPrefix(base, "np-image-") {
		return fmt.Errorf("%w: %s is no cached image", ErrImage, volume)
	}
	p := place{host: host, pool: pool, volume: volume, marker: base + ".ok"}
	if err := p.idle(ctx); err != nil {
		return err
	}
	found, _, err := p.look(ctx)
	switch {
	case err != nil:
		return err
	case found == free, found == emptied:
		return nil
	case found == begun:
		err = p.mark(ctx, burnt)
	case found == whole:
		err = host.ResizeVolume(ctx, pool, p.marker, burnt)
	}
	if err != nil {
		return fmt.Errorf("burn %s: %w", p.marker, err)
	}
	if found, _, err = p.look(ctx); err != nil || found != givenUp {
		return errors.Join(err, fmt.Errorf("volume %s: its marker could not be burnt", volume))
	}
	if err := p.idle(ctx); err != nil {
		return err
	}
	return p.remove(ctx)
}

// idle fails when something stands on the volume.
func (p place) idle(ctx context.Context) error {
	user, err := StoodOn(ctx, p.host, p.pool, p.volume)
	if err == nil && user != "" {
		err = fmt.Errorf("volume %s: %w: %s stands on it", p.volume, ErrInUse, user)
	}
	return err
}
