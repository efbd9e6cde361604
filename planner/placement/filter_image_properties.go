package placement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// imageProperties passes hosts that support the image's hw_architecture, img_hv_type, hw_vm_mode and
// img_hv_requested_version. Without these properties every host passes.
func imageProperties() Filter {
	unmet := func(f *Fleet, r *Request, i int) string {
		if r.Image == nil {
			return ""
		}
		return unsupported(f.Hosts[i], r.Image)
	}
	return Filter{
		Name: "image_properties", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool { return unmet(f, r, i) == "" },
		Why:    unmet,
	}
}

func unsupported(h *Host, image *spec.Image) string {
	p := image.Properties
	if arch := first(p, "hw_architecture", "architecture"); arch != "" && canonicalArch(arch) != canonicalArch(h.Arch) {
		return fmt.Sprintf("image wants architecture %s, host is %s", arch, h.Arch)
	}
	if hv := strings.ToLower(first(p, "img_hv_type", "hypervisor_type")); hv != "" {
		if have := hypervisors(h); !slices.Contains(have, hv) {
			return fmt.Sprintf("image wants hypervisor %s, host has %s", hv, strings.Join(have, ", "))
		}
	}
	// libvirt's QEMU and KVM run full virtual machines only.
	if mode := strings.ToLower(first(p, "hw_vm_mode", "vm_mode")); mode != "" && mode != "hvm" && mode != "hv" {
		return fmt.Sprintf("image wants vm mode %s, host has hvm", mode)
	}
	if want := first(p, "img_hv_requested_version", "hypervisor_version_requires"); want != "" {
		have := h.Capabilities["hypervisor_version"]
		if !versionSatisfies(have, want) {
			return fmt.Sprintf("image wants hypervisor version %s, host has %s", want, have)
		}
	}
	return ""
}

func first(p map[string]string, names ...string) string {
	for _, n := range names {
		if p[n] != "" {
			return p[n]
		}
	}
	return ""
}

// canonicalArch folds the names that images use for one architecture.
func canonicalArch(arch string) string {
	switch a := strings.ToLower(arch); a {
	case "amd64", "x64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "i386", "i486", "i586", "x86_32":
		return "i686"
	default:
		return a
	}
}

// hypervisors are the hypervisor types of a host in lower case.
func hypervisors(h *Host) []string {
	var types []string
	for _, t := range h.VirtTypes {
		types = append(types, strings.ToLower(t))
	}
	if t := strings.ToLower(h.Capabilities["hypervisor_type"]); t != "" && !slices.Contains(types, t) {
		types = append(types, t)
	}
	return types
}

// versionSatisfies checks have (7002000 or 7.2.0) against comma-separated predicates: ">=6.0, <8".
func versionSatisfies(have, predicates string) bool {
	version, ok := parseVersion(have)
	if !ok {
		return false
	}
	for _, p := range splitList(predicates) {
		op := p[:len(p)-len(strings.TrimLeft(p, "<>=!"))]
		wanted, ok := parseVersion(strings.TrimSpace(p[len(op):]))
		if !ok || !versionCompares(op, version-wanted) {
			return false
		}
	}
	return true
}

func versionCompares(op string, difference int) bool {
	switch op {
	case "", "==", "=":
		return difference == 0
	case "!=":
		return difference != 0
	case ">=":
		return difference >= 0
	case "<=":
		return difference <= 0
	case ">":
		return difference > 0
	case "<":
		return difference < 0
	}
	return false
}

// parseVersion returns major*1e6 + minor*1e3 + micro of "7.2.0", "7.2", "7", or of that number itself.
func parseVersion(s string) (int, bool) {
	parts := strings.SplitN(s, ".", 4)
	version := 0
	for i, scale := range []int{1_000_000, 1_000, 1} {
		if i == len(parts) {
			break
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 {
			return 0, false
		}
		if len(parts) == 1 && n >= 1_000_000 {
			return n, true
		}
		version += n * scale
	}
	return version, true
}
