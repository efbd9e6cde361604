package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// interest is where something has to happen to be worth a look.
type interest struct {
	root  string            // what counts in it, and links that what counts may lead through
	match func(string) bool // what counts
	paths map[string]bool   // these files and folders themselves, wherever they are
	deep  []string          // everything in these folders, but noise
}

// dirs lists the folders to be watched. Folders, not files: an editor that saves by renaming leaves a watch on a
// file behind with the old one.
func (in interest) dirs() []string {
	dirs := map[string]bool{in.root: true, filepath.Dir(in.root): true}
	for path := range in.paths {
		dirs[filepath.Dir(path)] = true
	}
	for _, dir := range in.deep {
		dirs[dir] = true
	}
	var list []string
	for dir := range dirs {
		list = append(list, dir)
	}
	slices.Sort(list)
	return list
}

// touches reports whether what happened at path is worth a look.
func (in interest) touches(path string) bool {
	if in.paths[path] {
		return true
	}
	dir, name := filepath.Dir(path), filepath.Base(path)
	switch {
	case noise(name):
		return false
	case slices.Contains(in.deep, dir):
		return true
	}
	return dir == in.root && (in.match(name) || strings.HasPrefix(name, ".."))
}

// interest lists what the folder's files and the included ones lead to, links followed.
func (l *looker) interest(included []string) interest {
	in := interest{root: l.dir, match: l.match, paths: map[string]bool{}}
	add := func(path string) string {
		in.paths[path] = true
		if real, err := filepath.EvalSymlinks(path); err == nil {
			in.paths[real] = true
			return real
		}
		return path
	}
	add(l.dir)
	entries, _ := l.entries() // a folder that can't be read leads nowhere
	for _, e := range entries {
		if path := filepath.Join(l.dir, e.Name()); e.Type()&os.ModeSymlink != 0 {
			add(path)
		}
	}
	for _, path := range included {
		path = add(path)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			in.deep = append(in.deep, foldersBelow(path)...)
		}
	}
	in.deep = slices.DeleteFunc(in.deep, func(dir string) bool { return noise(filepath.Base(dir)) })
	return in
}

// maxFolders is how many folders below one that is read as a list are watched; the rest is polled.
const maxFolders = 256

// foldersBelow lists root and the folders in it.
func foldersBelow(root string) []string {
	list := []string{root}
	for i := 0; i < len(list) && len(list) < maxFolders; i++ {
		entries, err := os.ReadDir(list[i])
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && len(list) < maxFolders {
				list = append(list, filepath.Join(list[i], e.Name()))
			}
		}
	}
	return list
}

// notifier is the source that the kernel feeds. Where it doesn't work, there is no source.
type notifier struct {
	notice func(string)
	kernel *fsnotify.Watcher // nil: there is none
	hints  chan struct{}
	done   chan struct{}

	mu       sync.Mutex
	in       interest
	watched  map[string]file // what the kernel watches, by path
	deaf     bool            // it was said that something can't be watched
	finished sync.WaitGroup
}

// file is the identity of what was at a path when it began to be watched.
type file struct{ dev, ino uint64 }

func newNotifier(notice func(string)) *notifier {
	n := &notifier{notice: notice, hints: make(chan struct{}, 1), done: make(chan struct{}), watched: map[string]file{}}
	kernel, err := fsnotify.NewWatcher()
	if err != nil {
		n.complain(err)
		return n
	}
	n.kernel = kernel
	n.finished.Go(n.forward)
	return n
}

func (n *notifier) events() <-chan struct{} { return n.hints }

func (n *notifier) close() {
	close(n.done)
	if n.kernel != nil {
		_ = n.kernel.Close() // nothing is left to be watched
	}
	n.finished.Wait()
}

// forward makes hints of events. Losing some of them makes a hint, too.
func (n *notifier) forward() {
	for {
		select {
		case <-n.done:
			return
		case e, ok := <-n.kernel.Events:
			if !ok {
				return
			}
			if n.interesting(e) {
				n.hint()
			}
		case _, ok := <-n.kernel.Errors:
			if !ok {
				return
			}
			n.hint()
		}
	}
}

func (n *notifier) interesting(e fsnotify.Event) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return e.Name != "" && n.in.touches(filepath.Clean(e.Name))
}

func (n *notifier) hint() {
	select {
	case n.hints <- struct{}{}:
	default: // one is waiting already
	}
}

// follow brings what the kernel watches in line with in.
func (n *notifier) follow(in interest) {
	n.mu.Lock()
	n.in = in
	n.mu.Unlock()
	if n.kernel == nil {
		return
	}
	want := map[string]file{}
	for _, dir := range in.dirs() {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			dev, ino := identity(info)
			want[dir] = file{dev, ino}
		}
	}
	alive := n.kernel.WatchList()
	for dir, was := range n.watched {
		if want[dir] != was || !slices.Contains(alive, dir) {
			delete(n.watched, dir)
			_ = n.kernel.Remove(dir) // it may be gone already
		}
	}
	for dir, is := range want {
		if _, ok := n.watched[dir]; ok {
			continue
		}
		if err := n.kernel.Add(dir); err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				n.complain(err)
			}
			continue
		}
		n.watched[dir] = is
	}
}

// complain says once that changes are found by polling only.
func (n *notifier) complain(err error) {
	if !n.deaf {
		n.deaf = true
		n.notice(fmt.Sprintf("no notifications of changes (%v): the folder is looked at every now and then. See fs.inotify in sysctl.", err))
	}
}
