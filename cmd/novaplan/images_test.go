package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec/lang"
)

// qcow2Header is a version 2 header of an empty disk of 1 GiB whose L1 table is at byte 128.
func qcow2Header(backing bool) []byte {
	head := make([]byte, 192)
	copy(head, "QFI\xfb\x00\x00\x00\x02")
	head[23] = 16               // cluster bits
	head[28] = 0x40             // bytes of the disk
	head[39], head[47] = 2, 128 // L1 entries, offset
	if backing {
		head[15] = 72
	}
	return head
}

// TestPlanRefusesBadImages: what is wrong with a local image that goes to hosts is said at its line.
func TestPlanRefusesBadImages(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	good := qcow2Header(false)
	for name, tt := range map[string]struct {
		content  []byte
		checksum string
		want     string // "": nothing is wrong
		line     string
		brief    bool // validate finds it, too
	}{
		"good":           {good, "", "", "", true},
		"right checksum": {good, fmt.Sprintf("sha256:%x", sha256.Sum256(good)), "", "", true},
		"wrong checksum": {good, "sha256:" + strings.Repeat("0", 64), "wrong checksum: want sha256:000", `checksum = "sha256`, false},
		"cut off":        {good[:130], "", "the file is cut off", `source = "a.qcow2"`, true},
		"raw":            {[]byte("no qcow2 at all"), "", "not a qcow2 file", `source = "a.qcow2"`, true},
		"backing file":   {qcow2Header(true), "", "flatten it", `source = "a.qcow2"`, true},
		"missing":        {nil, "", "a.qcow2: no such file or directory", `source = "a.qcow2"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := "image \"a\" {\n  source = \"a.qcow2\"\n"
			if tt.checksum != "" {
				text += fmt.Sprintf("  checksum = %q\n", tt.checksum)
			}
			write(t, filepath.Join(dir, "a.np.hcl"), []byte(text+"}\nimage \"unused\" { source = \"nowhere\" }\n"))
			if tt.content != nil {
				write(t, filepath.Join(dir, "a.qcow2"), tt.content)
			}
			folder, diags := lang.Load(t.Context(), dir, lang.Options{})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			var said bytes.Buffer
			c := &console{Err: &said}
			p := &planned{folder: folder, spec: folder.Spec, plan: &wire.Plan{Changes: []wire.Change{{Address: "image.a", Action: "upload"}}}}
			err := c.checkImages(t.Context(), p)
			if (err != nil) != (tt.want != "") || !strings.Contains(said.String(), tt.want) || !strings.Contains(said.String(), tt.line) {
				t.Errorf("%v, said %q; want %q at %q", err, said.String(), tt.want, tt.line)
			}
			if found := inspectImages(folder).HasErrors(); found != (tt.want != "" && tt.brief) {
				t.Errorf("validate finds something: %t", found)
			}
			p.place.simulate = true
			if err := c.checkImages(t.Context(), p); err != nil {
				t.Errorf("a simulation needs no file: %v", err)
			}
		})
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
