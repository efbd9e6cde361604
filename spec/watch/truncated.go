package watch

import (
	"bytes"
	"maps"
	"slices"
)

// Truncated names the files that look half-saved: now they hold the beginning of what they held in good, and what
// is missing is more than white space. Such a file may well parse, cut at a block's end, and mean that everything
// after the cut is unwanted. Who gets one waits for the next save (Watcher.Again).
func Truncated(good, now map[string][]byte) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		was, is := good[name], now[name]
		if len(is) < len(was) && bytes.HasPrefix(was, is) && len(bytes.TrimSpace(was[len(is):])) > 0 {
			names = append(names, name)
		}
	}
	return names
}
