package render

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// activity says what another command is doing just now.
func activity(s *wire.Status) string {
	a := s.Activity
	if a == nil {
		return ""
	}
	flight := Count(a.Operations, "operation") + " in flight"
	if a.Since.IsZero() {
		return fmt.Sprintf("novaplan %s (pid %d) has %s.\n", a.Command, a.PID, flight)
	}
	article := "A"
	if slices.Contains([]byte("aeiou"), (a.Command + "x")[0]) {
		article = "An"
	}
	return fmt.Sprintf("%s %s is running (pid %d, since %s): %s.\n", article, a.Command, a.PID, a.Since.Local().Format("15:04:05"), flight)
}

// passing are states that an instance leaves by itself.
var passing = []string{
	"building", "creating", "terminating", "migrating", "starting", "stopping", "pausing", "resuming", "suspending", "restoring",
}
