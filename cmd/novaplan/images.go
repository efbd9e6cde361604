package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/spec"
	"github.com/novaplan/novaplan/spec/lang"
)

// checkImages refuses a plan that brings a local image to hosts which can't be used: what apply would find out
// half-way is said before anybody is asked, where it is written.
func (c *console) checkImages(ctx context.Context, p *planned) error {
	if p.place.simulate {
		return nil
	}
	uploads := map[spec.Address]bool{}
	for i := range p.plan.Changes {
		if ch := &p.plan.Changes[i]; ch.Action == "upload" {
			uploads[spec.Address(ch.Address)] = true
		}
	}
	var diags hcl.Diagnostics
	for i := range p.spec.Images {
		if image := &p.spec.Images[i]; uploads[image.Address] && isLocal(image) {
			diags = diags.Extend(wrongImage(p.folder, image, verifyImage(ctx, image)))
		}
	}
	return c.diagnose(p.folder, diags)
}

// inspectImages looks at the headers of the local images that are there. One that is not may be made later.
func inspectImages(folder *lang.Folder) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range folder.Spec.Images {
		image := &folder.Spec.Images[i]
		if !isLocal(image) {
			continue
		}
		if err := inspectImage(image); !errors.Is(err, fs.ErrNotExist) {
			diags = diags.Extend(wrongImage(folder, image, err))
		}
	}
	return diags
}

func isLocal(image *spec.Image) bool { return strings.HasPrefix(image.Location, "/") }

// verifyImage inspects an image and compares its checksum. The digest is remembered beside downloads, so that the
// file is read once. Where the spec says the digest, a host that has the image needs no file any more.
func verifyImage(ctx context.Context, image *spec.Image) error {
	err := inspectImage(image)
	switch {
	case errors.Is(err, fs.ErrNotExist) && image.Checksum != "":
		return nil
	case err != nil || image.Checksum == "":
		return err
	}
	dir, err := imageFolder()
	if err != nil {
		return nil // apply says so
	}
	store, err := disk.NewStore(dir, disk.StoreOptions{})
	if err != nil {
		return nil // a folder that only apply needs
	}
	_, err = store.Fetch(ctx, *image, nil)
	return err
}

// inspectImage looks at the format only, which is quick.
func inspectImage(image *spec.Image) error {
	info, err := os.Stat(image.Location)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	f, err := os.Open(image.Location)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = disk.Inspect(f, info.Size(), image.Format)
	return err
}

// wrongImage says at its line why an image can't be used; nil when err is.
func wrongImage(folder *lang.Folder, image *spec.Image, err error) hcl.Diagnostics {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	attribute := "source"
	if errors.Is(err, disk.ErrChecksum) {
		attribute = "checksum"
	}
	why := strings.TrimPrefix(errorOf(err).Error(), image.Location+": ")
	why = strings.TrimPrefix(why, disk.ErrImage.Error()+": ")
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Image can't be used",
		Detail:  image.Location + ": " + why + ".",
		Subject: folder.Locate(image.Address, attribute),
	}}
}
