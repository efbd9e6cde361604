package render

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// keeping says what isn't as recorded, and what is done about it.
func keeping(s *wire.Status) string {
	k := s.Keeping
	if k == nil {
		return ""
	}
	var b strings.Builder
	if k.CutOff != "" {
		fmt.Fprintf(&b, "\n%s.\n", upperFirst(k.CutOff))
	}
	if len(k.Drift) > 0 {
		var t Table
		t.Row("DRIFT", "WHERE", "SINCE", "POLICY", "FOUND")
		for i := range k.Drift {
			d := &k.Drift[i]
			policy := d.Policy
			if d.Tries > 1 {
				policy += fmt.Sprintf(", %d tries", d.Tries)
			}
			t.Row(d.Kind, d.Address, d.Since.Local().Format("01-02 15:04"), policy, d.Message)
		}
		b.WriteByte('\n')
		b.WriteString(t.String())
	}
	for _, why := range k.Waits {
		if why != k.CutOff {
			fmt.Fprintf(&b, "Not mended by itself: %s.\n", why)
		}
	}
	return b.String()
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
