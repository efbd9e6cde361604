package lang

import (
	"errors"
	"os"
	"path/filepath"
)

// errOutside says that a path leads out of the folder that a spec is confined to.
var errOutside = errors.New("outside of the folder, and files there can't be read here")

// inside returns where path lies in dir, relative to it and with all links followed. What isn't there is inside when
// its path says so.
func inside(dir, path string) (string, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", pathError(err)
	}
	real, missing := filepath.EvalSymlinks(path)
	if missing != nil {
		real = path
		if rel, err := filepath.Rel(dir, path); err == nil {
			real = filepath.Join(root, rel)
		}
	}
	rel, err := filepath.Rel(root, real)
	if err != nil || !filepath.IsLocal(rel) {
		return "", errOutside
	}
	if missing != nil {
		return "", pathError(missing)
	}
	return rel, nil
}

// readConfined is readLimited for a file in dir. It goes through an os.Root, so that a link which is put there
// between the check and the reading leads nowhere either.
func readConfined(dir, path string, limit int) ([]byte, error) {
	rel, err := inside(dir, path)
	if err != nil {
		return nil, err
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, pathError(err)
	}
	root, err := os.OpenRoot(resolved)
	if err != nil {
		return nil, pathError(err)
	}
	defer root.Close()
	return readFrom(root.Stat, root.Open, rel, limit)
}
