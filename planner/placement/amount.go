package placement

import (
	"fmt"
	"strconv"
)

// amount is a wanted amount against what a host has of it.
type amount struct {
	wanted, total, used int64
	limit, ratio        float64
	unit                string
}

// why says what is missing: "wants 4096 MiB, 2048 of 6144 left at ratio 1.5".
func (a amount) why() string {
	if a.wanted > a.total {
		return fmt.Sprintf("wants %d %s, the host has %d in all", a.wanted, a.unit, a.total)
	}
	return fmt.Sprintf("wants %d %s, %s of %s left at ratio %s",
		a.wanted, a.unit, number(max(0, a.limit-float64(a.used))), number(a.limit), number(a.ratio))
}

// lack is the missing amount as a share of the wanted one.
func (a amount) lack() float64 {
	if a.wanted == 0 {
		return 0
	}
	missing := max(float64(a.wanted)-(a.limit-float64(a.used)), float64(a.wanted-a.total))
	return missing / float64(a.wanted)
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
