// Package packaging_test builds the Debian package and looks at what is in it.
package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// run runs a command and returns what it said.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1795000000")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// standIn is a program in novaplan's place: what counts here is where it goes. It writes a manual page.
const standIn = "#!/bin/sh\n[ \"$1\" != man ] || echo '.TH NOVAPLAN 1' > \"$2/novaplan.1\"\n"

// build builds the package of a stand-in into dir.
func build(t *testing.T, version, dir string) string {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb isn't here: packages are built on Debian")
	}
	binary := filepath.Join(t.TempDir(), "novaplan")
	if err := os.WriteFile(binary, []byte(standIn), 0o755); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(run(t, ".", "./build-deb", binary, version, dir))
}

var listed = regexp.MustCompile(`(?m)^(\S+)\s+(\S+)\s+\d+ \S+ \S+ \./(\S*)$`)

func TestDebianPackage(t *testing.T) {
	deb := build(t, "v1.2.3-4-gabcdef", t.TempDir())
	if got := run(t, ".", "dpkg-deb", "-f", deb, "Version"); got != "1.2.3+4+gabcdef\n" {
		t.Errorf("version %s", got)
	}
	found := map[string]string{}
	for _, m := range listed.FindAllStringSubmatch(run(t, ".", "dpkg-deb", "-c", deb), -1) {
		found[m[3]] = m[1] + " " + m[2]
	}
	for path, want := range map[string]string{
		"usr/bin/novaplan":                               "-rwxr-xr-x root/root",
		"usr/lib/systemd/system/novaplan.service":        "-rw-r--r-- root/root",
		"etc/novaplan/server.hcl":                        "-rw-r----- root/root",
		"etc/novaplan/credentials/":                      "drwx------ root/root",
		"usr/share/doc/novaplan/copyright":               "-rw-r--r-- root/root",
		"usr/share/doc/novaplan/server.md":               "-rw-r--r-- root/root",
		"usr/share/man/man1/novaplan.1.gz":               "-rw-r--r-- root/root",
		"usr/share/bash-completion/completions/novaplan": "-rw-r--r-- root/root",
	} {
		if found[path] != want {
			t.Errorf("%s is %q, want %q", path, found[path], want)
		}
	}
	for path := range found {
		if strings.HasPrefix(path, "var/") || strings.HasPrefix(path, "root/") {
			t.Errorf("%s doesn't belong into a package", path)
		}
	}
	tree := t.TempDir()
	run(t, ".", "dpkg-deb", "-R", deb, tree)
	for file, want := range map[string]string{"conffiles": "/etc/novaplan/server.hcl\n"} {
		got, err := os.ReadFile(filepath.Join(tree, "DEBIAN", file))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	run(t, tree, "md5sum", "--quiet", "-c", "DEBIAN/md5sums")
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		run(t, tree, "sh", "-n", "DEBIAN/"+script)
	}
}

// TestPackageIsReproducible builds twice and compares the bytes.
func TestPackageIsReproducible(t *testing.T) {
	var content [2][]byte
	var names [2]string
	for i := range content {
		deb := build(t, "abcdef0", t.TempDir())
		data, err := os.ReadFile(deb)
		if err != nil {
			t.Fatal(err)
		}
		content[i], names[i] = data, filepath.Base(deb)
	}
	if !bytes.Equal(content[0], content[1]) || names[0] != names[1] {
		t.Errorf("two builds of the same differ: %v", names)
	}
	if !strings.HasPrefix(names[0], "novaplan_0~20261118") {
		t.Errorf("a build between releases is called %s", names[0])
	}
}

// TestServiceRunsWhatIsPackaged compares the paths of the service with those of the package.
func TestServiceRunsWhatIsPackaged(t *testing.T) {
	unit, err := os.ReadFile("novaplan.service")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for line := range strings.Lines(string(unit)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			set[name] = value
		}
	}
	got := map[string]string{}
	want := map[string]string{
		"Type": "notify", "ExecStart": "/usr/bin/novaplan server -config /etc/novaplan/server.hcl", "User": "novaplan", "StateDirectory": "novaplan",
		"LoadCredential": "novaplan:/etc/novaplan/credentials", "WatchdogSec": "30", "ProtectSystem": "strict", "NoNewPrivileges": "true",
	}
	for name := range want {
		got[name] = set[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze isn't here to check the rest")
	}
	out, _ := exec.Command("systemd-analyze", "verify", "./novaplan.service").CombinedOutput() // it fails where novaplan isn't installed
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "novaplan.service") && !strings.Contains(line, "not executable") && !strings.Contains(line, "man novaplan") {
			t.Errorf("systemd: %s", line)
		}
	}
}
