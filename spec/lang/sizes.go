package lang

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// maxSize keeps sums of sizes far away from overflow: an exbibyte.
const maxSize = spec.MiB(1) << 40

var sizeUnits = map[string]spec.MiB{"MiB": 1, "GiB": 1 << 10, "TiB": 1 << 20, "PiB": 1 << 30}

// parseSize reads "2GiB". A number without a unit counts in plain. Decimal units are refused: a
// hypervisor counts in powers of two, and the difference has surprised many.
func parseSize(s string, plain spec.MiB) (spec.MiB, error) {
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '-' })
	number, unit := s, ""
	if i >= 0 {
		number, unit = s[:i], strings.TrimSpace(s[i:])
	}
	f, _, err := big.ParseFloat(number, 10, 128, big.ToNearestEven)
	if err != nil || len(number) > 40 {
		return 0, fmt.Errorf("%q isn't a size: write a number and MiB, GiB or TiB, such as \"2GiB\"", s)
	}
	if unit == "" {
		return sizeOfNumber(f, plain)
	}
	if m, ok := sizeUnits[unit]; ok {
		return sizeOfNumber(f, m)
	}
	for name := range sizeUnits {
		if strings.EqualFold(unit, name) || strings.EqualFold(unit, name[:1]+"B") || strings.EqualFold(unit, name[:1]) {
			return 0, fmt.Errorf("%q has an unclear unit: write %s%s. Sizes are powers of two here", s, number, name)
		}
	}
	return 0, fmt.Errorf("%q has an unknown unit %q: it is MiB, GiB, TiB or PiB", s, unit)
}

func sizeOfNumber(f *big.Float, unit spec.MiB) (spec.MiB, error) {
	total := new(big.Float).Mul(f, new(big.Float).SetInt64(int64(unit)))
	n, acc := total.Int64()
	switch {
	case total.Sign() < 0:
		return 0, fmt.Errorf("a size can't be negative, this is %s MiB", numberText(total))
	case total.Cmp(new(big.Float).SetInt64(int64(maxSize))) > 0:
		return 0, fmt.Errorf("a size is at most 1024 PiB, this is %s MiB", numberText(total))
	case acc != big.Exact:
		return 0, fmt.Errorf("a size is a whole number of MiB, this is %s MiB", numberText(total))
	}
	return spec.MiB(n), nil
}

// maxDuration is ten years.
const maxDuration = 10 * 365 * 24 * time.Hour

// parseDuration reads "10s", "5m", "1h30m" or "7d".
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok && err != nil {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= int(maxDuration/(24*time.Hour)) {
			d = time.Duration(n) * 24 * time.Hour
		} else {
			d = maxDuration + 1
		}
	}
	if err != nil {
		return 0, fmt.Errorf("%q isn't a duration: write a number and ms, s, m, h or d, such as \"10s\" or \"24h\"", s)
	}
	if d < 0 || d > maxDuration {
		return 0, fmt.Errorf("a duration is from 0 to ten years, this is %q", s)
	}
	return d, nil
}
