package watch

import (
	"path/filepath"
	"strings"
)

// own is the folder in which the record of a fleet is kept, beside the spec. It changes all the time.
const own = ".novaplan"

// dropping tells what editors and people leave that never counts: hidden files, backups, autosaves, swap files.
func dropping(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".swp") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// noise tells events that can be left out without a look. It says no when in doubt: a link such as Kubernetes'
// ..data has the name of a dropping, and what counts may lead through it.
func noise(name string) bool {
	switch {
	case name == own, name == ".git", name == "4913": // vim tries out with that name whether it may create files
		return true
	case strings.HasPrefix(name, ".."):
		return false
	case strings.HasPrefix(name, ".#"), strings.HasSuffix(name, "~"), strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return true
	}
	ext := filepath.Ext(name) // .swp, .swo, .swx of vim
	return strings.HasPrefix(name, ".") && len(ext) == 4 && strings.HasPrefix(ext, ".sw")
}
