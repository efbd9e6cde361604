package lang

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// scanJSON checks the nesting of a JSON source and of the templates in its strings.
func scanJSON(src []byte, lim Limits) *limitHit {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '{', '[':
			if depth++; depth > lim.Nesting {
				return nestingHit(lim, i)
			}
		case '}', ']':
			depth = max(0, depth-1)
		case '"':
			end := stringEnd(src, i)
			if hit := scanJSONString(src[i:end], lim); hit != nil {
				hit.offset = i
				return hit
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns the offset behind the JSON string that starts at i.
func stringEnd(src []byte, i int) int {
	for i++; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(src)
}

// scanJSONString scans a quoted string both as template and as expression, because which it is
// depends on the attribute. Strings with few special characters can't exceed a limit.
func scanJSONString(quoted []byte, lim Limits) *limitHit {
	special := bytes.Count(quoted, []byte(`\`))
	for _, c := range quoted {
		if bytes.IndexByte([]byte("([{!-?%+.*/<>=&|:"), c) >= 0 {
			special++
		}
	}
	if special < min(lim.Nesting, lim.Operators) {
		return nil
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil // the parser will say so
	}
	if hit := scanTemplate([]byte(s), lim); hit != nil {
		return hit
	}
	tokens, _ := hclsyntax.LexExpression([]byte(s), "", hcl.InitialPos)
	return scanTokens(tokens, lim)
}
