package planner

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// imagePlace is where an image is kept: a pool of one host, or a pool that hosts share.
type imagePlace struct {
	image spec.Address
	host  int // ordinal; -1: shared
	path  string
}

func placeOf(image spec.Address, host int, pool state.Pool) imagePlace {
	if pool.Shared {
		host = -1
	}
	return imagePlace{image, host, pool.Dir()}
}

// uploads adds a line for each image that what comes to a host has to bring there first. It has no
// operation of its own: the steps of the creates and migrations do it.
func (c *computation) uploads() {
	wanted := c.imagesToBring()
	if len(wanted) == 0 {
		return
	}
	for _, place := range c.imagesThere() {
		delete(wanted, place)
	}
	totals := map[spec.Address]*upload{}
	onHosts := map[imagePlace]bool{}
	for place := range wanted {
		u := totals[place.image]
		if u == nil {
			u = &upload{}
			totals[place.image] = u
		}
		u.places++
		host := imagePlace{image: place.image, host: place.host}
		switch {
		case place.host < 0:
			u.shared++
		case !onHosts[host]:
			onHosts[host] = true
			u.hosts++
		}
	}
	for i := range c.spec.Images {
		image := &c.spec.Images[i]
		if u := totals[image.Address]; u != nil {
			c.changes = append(c.changes, u.change(image, c.obs.Images[image.Address].Bytes))
		}
	}
}

// imagesToBring are the places that new operations want an image at.
func (c *computation) imagesToBring() map[imagePlace]bool {
	wanted := map[imagePlace]bool{}
	for _, j := range c.jobs {
		if j.existing || j.dropped || j.to < 0 {
			continue
		}
		switch j.op.Action {
		case state.Create:
			wanted[placeOf(j.op.Build.Image, j.to, j.op.Build.Pool)] = true
		case state.Migrate:
			in, ok := c.st.Instances.Get(string(j.op.Instance))
			if ok && !in.Pool.Shared {
				wanted[placeOf(in.Image, j.to, in.Pool)] = true
			}
		}
	}
	return wanted
}

// imagesThere are the places that have an image already: it was seen there, or the record tells that an instance was
// built from it there. What is being built, or on its way, brings its own.
func (c *computation) imagesThere() []imagePlace {
	there := c.imagesSeen()
	for _, in := range c.st.Instances.All() {
		h := c.hostAt[in.Host]
		if h == nil || in.Phase == state.Building || in.ImageDigest == "" {
			continue
		}
		image := c.index.Images[in.Image]
		if image == nil || sameAlgorithm(in.ImageDigest, image.Checksum) && in.ImageDigest != image.Checksum {
			continue // the image has other content by now
		}
		there = append(there, placeOf(in.Image, h.ordinal, in.Pool))
	}
	for _, j := range c.jobs {
		if j.existing && j.to >= 0 && j.op.Action == state.Create && j.op.Build != nil {
			there = append(there, placeOf(j.op.Build.Image, j.to, j.op.Build.Pool))
		}
	}
	return there
}

// imagesSeen are the places where a look has found an image whose content is known.
func (c *computation) imagesSeen() []imagePlace {
	digests := c.imageDigests()
	var there []imagePlace
	for _, h := range c.hosts {
		if !h.reachable {
			continue
		}
		for _, cached := range h.seen.Images {
			for i := range c.spec.Images {
				image := c.spec.Images[i].Address
				if digest := digests[image]; digest != "" && strings.HasPrefix(digest, cached.Digest) {
					there = append(there, placeOf(image, h.ordinal, state.Pool{Path: cached.Pool, Shared: c.shared[cached.Pool]}))
				}
			}
		}
	}
	return there
}

// imageDigests returns the SHA-256 of the images, in hex: as the spec says, or as it was found when an instance was
// built from the same source.
func (c *computation) imageDigests() map[spec.Address]string {
	digests := map[spec.Address]string{}
	for _, in := range c.st.Instances.All() {
		image := c.index.Images[in.Image]
		digest, known := strings.CutPrefix(in.ImageDigest, "sha256:")
		if known && image != nil && in.ImageSource == image.Location && in.ImageChecksum == image.Checksum {
			digests[in.Image] = digest
		}
	}
	for i := range c.spec.Images {
		if digest, ok := strings.CutPrefix(c.spec.Images[i].Checksum, "sha256:"); ok {
			digests[c.spec.Images[i].Address] = digest
		}
	}
	return digests
}

// upload counts the places that an image is brought to.
type upload struct {
	places int // pools of hosts, and shared ones
	hosts  int
	shared int
}

// change is the line of the plan. The size of the image is in bytes, 0 when it isn't known.
func (u *upload) change(image *spec.Image, size int64) *Change {
	total := size * int64(u.places)
	what := u.to() + " on first use"
	if size > 0 {
		what = binarySize(size) + " " + what
	}
	details := []string{what}
	if s := uploadSeconds(total); s >= 0.5 {
		details = append(details, "about "+roughly(s))
	}
	return &Change{Address: image.Address, Name: image.Name, Action: ActUpload, Details: details, Bytes: total,
		Reason: state.Reason{Code: ReasonFirstUse, Message: "instances come to where the image isn't yet"}}
}

// to names the places: "to 3 hosts and a shared pool".
func (u *upload) to() string {
	var parts []string
	if u.hosts > 0 {
		parts = append(parts, counted(u.hosts, "host", "hosts"))
	}
	switch {
	case u.shared == 1 && u.hosts == 0:
		parts = append(parts, "the shared pool")
	case u.shared == 1:
		parts = append(parts, "a shared pool")
	case u.shared > 1:
		parts = append(parts, fmt.Sprintf("%d shared pools", u.shared))
	}
	return "to " + strings.Join(parts, " and ")
}

// binarySize writes an amount of bytes with the figures that matter: "64 KiB", "422 MiB", "2.4 GiB".
func binarySize(n int64) string {
	value, unit := float64(max(n, 1024))/1024, 0
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	for value >= 1023.5 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if value >= 9.95 {
		value = math.Round(value)
	}
	return strconv.FormatFloat(math.Round(value*10)/10, 'f', -1, 64) + " " + units[unit]
}

// roughly writes a time: "40 s", "3 min", "2.5 h".
func roughly(seconds float64) string {
	switch {
	case seconds < 100:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
