package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bytes writes n in the unit that gives three figures at most: "422 MiB", "1.2 GiB".
func Bytes(n int64) string {
	const step = 1024
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	value, unit := float64(n), 0
	for value >= step-0.5 && unit < len(units)-1 {
		value /= step
		unit++
	}
	if unit == 0 || value >= 9.95 || value == float64(int64(value)) {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// MiB writes an amount of mebibytes.
func MiB(n int64) string { return Bytes(n << 20) }

// Duration writes seconds as people say them: "40 s", "4 min", "2 h 10 min".
func Duration(seconds int) string {
	switch {
	case seconds < 100:
		return fmt.Sprintf("%d s", max(seconds, 1))
	case seconds < 100*60:
		return fmt.Sprintf("%d min", (seconds+30)/60)
	}
	hours, minutes := seconds/3600, seconds%3600/60
	if minutes == 0 || hours >= 10 {
		return fmt.Sprintf("%d h", hours)
	}
	return fmt.Sprintf("%d h %d min", hours, minutes)
}

// Ago writes how long ago something was: "1 s ago".
func Ago(d time.Duration) string { return Duration(int(d.Round(time.Second)/time.Second)) + " ago" }

// Count writes a number and its noun: "1 guest", "38 guests".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// ratio writes an overcommit ratio without needless digits.
func ratio(r float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", r), "0"), ".")
}
