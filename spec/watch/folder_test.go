package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience ends a test that hangs; no test waits for it.
const patience = 20 * time.Second

// spot is a watched folder on disk.
type spot struct {
	t   testing.TB
	dir string
	w   *Watcher
}

// quick finds by notification only: polling would come too late.
var quick = Options{Quiet: 20 * time.Millisecond, Poll: time.Hour, Match: isSpec}

func isSpec(name string) bool { return strings.HasSuffix(name, ".hcl") }

// at watches dir and takes the first folder.
func at(t testing.TB, dir string, opts Options) *spot {
	t.Helper()
	opts.Notice = func(text string) { t.Log(text) }
	s := &spot{t: t, dir: dir, w: New(dir, opts)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	s.next()
	return s
}

func (s *spot) next() Folder {
	s.t.Helper()
	select {
	case f := <-s.w.Folders():
		return f
	case <-time.After(patience):
		s.t.Fatal("nothing was delivered")
		return Folder{}
	}
}

// until takes folders until name holds text; "" means that it is gone.
func (s *spot) until(name, text string) Folder {
	s.t.Helper()
	for {
		f := s.next()
		if content, ok := f.Files[name]; ok == (text != "") && string(content) == text {
			return f
		}
	}
}

func (s *spot) path(name string) string { return filepath.Join(s.dir, name) }

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}

// Each way in which programs save, in the order of calls that strace shows of them.
func TestEditors(t *testing.T) {
	for name, save := range map[string]func(t *testing.T, dir, text string){
		"in place": func(t *testing.T, dir, text string) {
			write(t, filepath.Join(dir, "a.hcl"), text)
		},
		"in two writes": func(t *testing.T, dir, text string) {
			f, err := os.OpenFile(filepath.Join(dir, "a.hcl"), os.O_WRONLY|os.O_TRUNC, 0)
			must(t, err)
			_, err = f.WriteString(text[:1])
			must(t, err)
			_, err = f.WriteString(text[1:])
			must(t, err, f.Close())
		},
		"vim": func(t *testing.T, dir, text string) {
			a := filepath.Join(dir, "a.hcl")
			write(t, filepath.Join(dir, ".a.hcl.swp"), "swap")
			write(t, filepath.Join(dir, "4913"), "")
			must(t, os.Remove(filepath.Join(dir, "4913")), os.Rename(a, a+"~"))
			write(t, a, text)
			must(t, os.Chmod(a, 0o644), os.Remove(a+"~"), os.Remove(filepath.Join(dir, ".a.hcl.swp")))
		},
		"emacs": func(t *testing.T, dir, text string) {
			a := filepath.Join(dir, "a.hcl")
			must(t, os.Symlink("me@here.123", filepath.Join(dir, ".#a.hcl")))
			write(t, filepath.Join(dir, "#a.hcl#"), "autosaved")
			must(t, os.Rename(a, a+"~"))
			write(t, a, text)
			must(t, os.Remove(filepath.Join(dir, "#a.hcl#")), os.Remove(filepath.Join(dir, ".#a.hcl")))
		},
		"by an atomic rename": func(t *testing.T, dir, text string) { // VS Code, gedit, sed -i, ansible
			tmp := filepath.Join(dir, ".a.hcl.tmp-123")
			write(t, tmp, text)
			must(t, os.Rename(tmp, filepath.Join(dir, "a.hcl")))
		},
		"removed and made anew": func(t *testing.T, dir, text string) {
			must(t, os.Remove(filepath.Join(dir, "a.hcl")))
			write(t, filepath.Join(dir, "a.hcl"), text)
		},
		"moved in from elsewhere": func(t *testing.T, dir, text string) {
			from := filepath.Join(t.TempDir(), "x")
			write(t, from, text)
			must(t, os.Rename(from, filepath.Join(dir, "a.hcl")))
		},
		"as a link": func(t *testing.T, dir, text string) {
			to := filepath.Join(t.TempDir(), "x")
			write(t, to, text)
			must(t, os.Remove(filepath.Join(dir, "a.hcl")), os.Symlink(to, filepath.Join(dir, "a.hcl")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a.hcl"), "0")
			s := at(t, dir, quick)
			for _, text := range []string{"one", "two", "three"} { // the watch outlives what was replaced
				save(t, dir, text)
				s.until("a.hcl", text)
			}
			must(t, os.Remove(s.path("a.hcl")))
			s.until("a.hcl", "")
		})
	}
}

// Kubernetes replaces ..data, through which all files of a ConfigMap lead, in one rename.
func TestLinkSwap(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, text string) {
		write(t, filepath.Join(dir, version, "a.hcl"), text)
		write(t, filepath.Join(dir, version, "b.hcl"), text)
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")),
			os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	publish("..2026_1", "one")
	for _, name := range []string{"a.hcl", "b.hcl"} {
		must(t, os.Symlink("..data/"+name, filepath.Join(dir, name)))
	}
	s := at(t, dir, quick)
	publish("..2026_2", "two")
	must(t, os.RemoveAll(filepath.Join(dir, "..2026_1")))
	if f := s.until("a.hcl", "two"); string(f.Files["b.hcl"]) != "two" {
		t.Errorf("a mixture: %q", f.Files)
	}
	publish("..2026_3", "three")
	s.until("b.hcl", "three")
}

func TestLinkedFileIsEditedWhereItIs(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, filepath.Join(elsewhere, "real.txt"), "one")
	must(t, os.Symlink(filepath.Join(elsewhere, "real.txt"), filepath.Join(dir, "a.hcl")))
	s := at(t, dir, quick)
	write(t, filepath.Join(elsewhere, "real.txt"), "two")
	s.until("a.hcl", "two")
}

func TestFolderComesAndGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spec")
	s := at(t, dir, quick) // it isn't there yet
	write(t, s.path("a.hcl"), "one")
	s.until("a.hcl", "one")
	must(t, os.RemoveAll(dir))
	s.until("a.hcl", "")
	write(t, s.path("a.hcl"), "two")
	s.until("a.hcl", "two")

	// Another folder takes its place, as a mount does.
	other := dir + ".new"
	write(t, filepath.Join(other, "a.hcl"), "three")
	must(t, os.Rename(dir, dir+".old"), os.Rename(other, dir))
	s.until("a.hcl", "three")
	write(t, s.path("a.hcl"), "four")
	s.until("a.hcl", "four")
	write(t, filepath.Join(dir+".old", "a.hcl"), "nobody looks here any more")
	write(t, s.path("a.hcl"), "five")
	s.until("a.hcl", "five")
}

func TestFolderIsALink(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "v1", "a.hcl"), "one")
	write(t, filepath.Join(root, "v2", "a.hcl"), "two")
	link := filepath.Join(root, "current")
	must(t, os.Symlink("v1", link))
	s := at(t, link, quick)
	write(t, filepath.Join(root, "v1", "a.hcl"), "one and a half")
	s.until("a.hcl", "one and a half")
	must(t, os.Symlink("v2", link+".tmp"), os.Rename(link+".tmp", link))
	s.until("a.hcl", "two")
	write(t, filepath.Join(root, "v2", "a.hcl"), "three")
	s.until("a.hcl", "three")
}

// The parent's parent goes, too: nothing that is watched is left, and polling finds what comes.
func TestEverythingIsMadeAnew(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "x", "y", "spec")
	write(t, filepath.Join(dir, "a.hcl"), "one")
	opts := quick
	opts.Poll = 5 * time.Millisecond
	s := at(t, dir, opts)
	must(t, os.RemoveAll(filepath.Join(base, "x")))
	s.until("a.hcl", "")
	write(t, filepath.Join(dir, "a.hcl"), "two")
	s.until("a.hcl", "two")
}

func TestIncludedFileAndFolder(t *testing.T) {
	dir := t.TempDir()
	s := at(t, dir, quick)
	template, keys, missing := s.path("tpl/web.tftpl"), s.path("keys"), s.path("later.txt")
	write(t, template, "one")
	write(t, filepath.Join(keys, "anna.pub"), "k")
	seen := map[string]Sum{}
	for _, path := range []string{template, keys, missing} {
		seen[path] = SumAt(path)
	}
	s.w.Include(seen)
	digests := map[Sum]bool{}
	for _, change := range []func(){
		func() { write(t, s.path("a.hcl"), "x") },
		func() { write(t, template, "two") },
		func() { write(t, filepath.Join(keys, "more", "bert.pub"), "k") },
		func() { write(t, missing, "here") },
		func() { must(t, os.RemoveAll(keys)) },
	} {
		change()
		digests[s.next().Digest] = true
	}
	if len(digests) < 5 {
		t.Errorf("%d digests of 5 contents", len(digests))
	}
}

// A checkout of hundreds of files is one change: never is a mixture of two branches delivered.
func TestGitCheckout(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	root := t.TempDir()
	dir := filepath.Join(root, "fleets", "prod")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	const files = 300
	fill := func(text string) {
		for i := range files {
			write(t, filepath.Join(dir, fmt.Sprintf("f%03d.hcl", i)), text)
		}
		git("add", ".")
		git("commit", "-q", "-m", text)
	}
	git("init", "-q", "-b", "one")
	fill("one")
	git("checkout", "-q", "-b", "two")
	fill("two")
	opts := quick
	opts.Quiet = time.Millisecond // less than a checkout takes
	s := at(t, dir, opts)
	for _, branch := range []string{"one", "two", "one"} {
		git("checkout", "-q", branch)
		f := s.next()
		for name, content := range f.Files {
			if string(content) != branch {
				t.Fatalf("%s is %q on branch %s", name, content, branch)
			}
		}
		if len(f.Files) != files {
			t.Errorf("%d files, want %d", len(f.Files), files)
		}
	}
}

func TestGitIsFoundAtTheRoot(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b")
	must(t, os.MkdirAll(dir, 0o755))
	l := &looker{dir: dir, match: isSpec}
	for name, c := range map[string]struct{ make, lock string }{
		"a repository":          {".git/HEAD", ".git/index.lock"},
		"a linked work tree":    {"elsewhere/.git/worktrees/x/HEAD", "elsewhere/.git/worktrees/x/index.lock"},
		"a submodule, relative": {"modules/b/HEAD", "modules/b/index.lock"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, filepath.Join(root, c.make), "ref")
			repository := filepath.Dir(filepath.Join(root, c.make))
			if filepath.Base(repository) != ".git" {
				to := repository
				if strings.HasSuffix(name, "relative") {
					to = "../../modules/b"
				}
				write(t, filepath.Join(dir, ".git"), "gitdir: "+to+"\n")
			}
			if why := l.busy(); why != "" {
				t.Errorf("without a lock: %s", why)
			}
			write(t, filepath.Join(root, c.lock), "")
			if why := l.busy(); !strings.Contains(why, filepath.Base(repository)+"/index.lock stands") {
				t.Errorf("with a lock: %q", why)
			}
			must(t, os.RemoveAll(repository), os.RemoveAll(filepath.Join(dir, ".git")))
		})
	}
}

// Without notifications, because the kernel has no more to give, changes are found all the same.
func TestPollingAlone(t *testing.T) {
	dir := t.TempDir()
	w := New(dir, Options{Quiet: time.Millisecond, Poll: 2 * time.Millisecond, Match: isSpec})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	deaf := &notifier{notice: func(text string) { t.Log(text) }, hints: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(ended)
		_ = (&settler{w: w, source: deaf, eyes: &looker{dir: dir, match: isSpec}}).run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	s := &spot{t: t, dir: dir, w: w}
	s.next()
	write(t, s.path("a.hcl"), "one")
	s.until("a.hcl", "one")
	must(t, os.RemoveAll(dir))
	s.until("a.hcl", "")
}

// What the kernel lost is looked for.
func TestOverflowIsAHint(t *testing.T) {
	n := newNotifier(func(text string) { t.Log(text) })
	defer n.close()
	if n.kernel == nil {
		t.Skip("no notifications here")
	}
	n.kernel.Errors <- errors.New("queue overflow")
	<-n.events()
}

func TestSpecialFilesDontHang(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "a.hcl"), 0o644); err != nil {
		t.Skip(err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "b.hcl"), 0o755), os.Symlink("nowhere", filepath.Join(dir, "c.hcl")))
	found := (&looker{dir: dir, match: isSpec}).look(nil)
	if len(found.files) != 0 || len(found.sums) != 3 {
		t.Errorf("%d files, %d entries", len(found.files), len(found.sums))
	}
}

func TestDroppings(t *testing.T) {
	for name, want := range map[string]bool{
		"a.hcl": false, "a.hcl~": true, "#a.hcl#": true, ".#a.hcl": true, ".a.hcl.swp": true, ".hidden.hcl": true, "#a.hcl": false,
	} {
		if got := dropping(name); got != want {
			t.Errorf("dropping(%q) = %v", name, got)
		}
	}
	for name, want := range map[string]bool{
		"a.hcl": false, "a.hcl~": true, "#a.hcl#": true, ".#a.hcl": true, ".a.hcl.swp": true, ".a.hcl.swx": true, "..data": false,
		".novaplan": true, ".git": true, "4913": true,
	} {
		if got := noise(name); got != want {
			t.Errorf("noise(%q) = %v", name, got)
		}
	}
}

// BenchmarkSave reports what is added to the time of quiet between a save and the delivery.
func BenchmarkSave(b *testing.B) {
	for _, files := range []int{1, 300} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			dir := b.TempDir()
			for i := range files {
				write(b, filepath.Join(dir, fmt.Sprintf("f%d.hcl", i)), strings.Repeat("x = 1\n", 300))
			}
			opts := quick
			opts.Quiet = 10 * time.Millisecond
			s := at(b, dir, opts)
			var added time.Duration
			n := 0
			for b.Loop() {
				text := fmt.Sprint(n)
				n++
				write(b, s.path("f0.hcl"), text)
				began := time.Now()
				s.until("f0.hcl", text)
				added += time.Since(began) - opts.Quiet
			}
			b.ReportMetric(float64(added.Microseconds())/float64(n)/1000, "ms-beyond-quiet/op")
		})
	}
}
