package reconcile

import (
	"context"
	"fmt"
	"io"

	"github.com/novaplan/novaplan/spec"
)

// Console copies between rw and the instance's serial port until either ends or ctx does. Another
// user of the port is hypervisor.ErrState unless force takes it over.
func (c *Controller) Console(ctx context.Context, address spec.Address, rw io.ReadWriter, force bool) error {
	inst, ok := c.rec.State().Instances.Get(string(address))
	if !ok {
		return fmt.Errorf("%s is not in the record: nothing of that address was created", address)
	}
	h, err := c.hosts.Host(ctx, inst.Host)
	if err != nil {
		return err
	}
	if err := h.OpenConsole(ctx, inst.UUID, rw, force); err != nil {
		return fmt.Errorf("console of %s: %w", address, err)
	}
	return nil
}
