package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/seal"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// world is the hosts and images that a controller acts on: real ones through libvirt, or simulated
// ones. A simulation has no libvirt driver at all.
type world struct {
	driver hypervisor.Driver
	images operation.Images
	sizes  reconcile.Sizes
	close  func() error
}

// openWorld opens the world for a controller that carries plans out, or only looks.
func openWorld(p place, cluster string, writes bool) (*world, error) {
	if p.simulate {
		return openSimulation(p, cluster, writes)
	}
	dir, err := p.images, error(nil)
	if dir == "" {
		dir, err = imageFolder()
	}
	w := &world{driver: libvirt.New(libvirt.Options{}), sizes: &disk.Sizer{Dir: dir}, close: func() error { return nil }}
	if !writes {
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	store, err := disk.NewStore(dir, disk.StoreOptions{})
	if err != nil {
		return nil, err
	}
	w.images = reconcile.Images{Open: p.opener(cluster), Images: &disk.Images{Source: store, Cache: disk.NewCache(disk.CacheOptions{})}}
	return w, nil
}

// imageFolder keeps images where a user's other caches are: several folders share them.
func imageFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("image cache: %w (set XDG_CACHE_HOME)", err)
	}
	return filepath.Join(cache, "novaplan", "images"), nil
}

// Variables of the environment that shape a simulation, for trying things out and for tests.
const (
	envSimTimes  = "NOVAPLAN_SIM_TIMES"  // "real": boots, moves and uploads take as long as on small real hosts
	envSimFaults = "NOVAPLAN_SIM_FAULTS" // faults, one after each semicolon, in the language of package sim
)

func openSimulation(p place, cluster string, writes bool) (*world, error) {
	opts := sim.Options{}
	if os.Getenv(envSimTimes) == "real" {
		opts = sim.Realistic()
	}
	opts.Networks = p.networks
	w, err := simulation(cmp.Or(p.simulated, filepath.Join(p.record(), "hosts")), opts, writes)
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(os.Getenv(envSimFaults), ";") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := w.Do(line); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", envSimFaults, err), w.Close())
		}
	}
	// Nobody else uploads to simulated hosts: what doesn't grow is rubbish at once.
	cache := disk.NewCache(disk.CacheOptions{Poll: 10 * time.Millisecond, Stall: 100 * time.Millisecond})
	return &world{
		driver: w, close: w.Close, sizes: disk.Simulated{},
		images: reconcile.Images{Open: p.opener(cluster), Images: &disk.Images{Source: disk.Simulated{}, Cache: cache}},
	}, nil
}

// simulation opens the simulated hosts in dir, or a copy of them for who only looks.
func simulation(dir string, opts sim.Options, writes bool) (*sim.World, error) {
	if writes {
		return sim.Open(dir, opts)
	}
	w, err := sim.Look(dir, opts)
	if errors.Is(err, os.ErrNotExist) {
		return sim.New(opts), nil // nothing was ever done there
	}
	return w, err
}

// opener opens secrets with the cluster's key, which is read when the first one has to be opened.
func (p place) opener(cluster string) func(spec.Secret) (string, error) {
	key := sync.OnceValues(func() (*seal.Key, error) {
		if p.key != "" {
			return seal.LoadFile(p.key)
		}
		return seal.Load(cluster)
	})
	return func(s spec.Secret) (string, error) {
		k, err := key()
		if err != nil {
			return "", err
		}
		return k.Open(s)
	}
}
