package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// busy finds a git that is at work in the repository which the folder is in: it holds index.lock from before the
// first to after the last file of a checkout, a merge, a rebase step or a stash.
func (l *looker) busy() string {
	dir, err := filepath.EvalSymlinks(l.dir)
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		if repository := gitFolder(dir); repository != "" {
			lock := filepath.Join(repository, "index.lock")
			if _, err := os.Lstat(lock); err == nil {
				return fmt.Sprintf("git is at work: %s stands. If no git runs any more, remove it.", lock)
			}
			return ""
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// gitFolder returns where git keeps what it knows of the work tree dir, "" when dir is none. In a linked work
// tree and in a submodule, .git is a file that says where.
func gitFolder(dir string) string {
	path := filepath.Join(dir, ".git")
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return ""
	case info.IsDir():
		return path
	}
	content, _, _ := read(path)
	to, ok := strings.CutPrefix(strings.TrimSpace(string(content)), "gitdir: ")
	switch {
	case !ok:
		return ""
	case filepath.IsAbs(to):
		return to
	}
	return filepath.Join(dir, to)
}
