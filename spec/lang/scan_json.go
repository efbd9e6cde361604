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
	if bytes.Contains(quoted, []byte("for")) {
		if hit := scanJSONFor(quoted, lim); hit != nil {
			return hit
		}
	}
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

// scanJSONFor refuses for expressions in each other. HCL parses the strings of JSON when it evaluates
// them, so that they can't be metered.
func scanJSONFor(quoted []byte, lim Limits) *limitHit {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil
	}
	if hit := scanTemplate([]byte(s), lim); hit != nil {
		return hit
	}
	tokens, _ := hclsyntax.LexTemplate([]byte(s), "", hcl.InitialPos)
	count := 0
	for i, t := range tokens {
		opener := i > 0 && (tokens[i-1].Type == hclsyntax.TokenOBrack || tokens[i-1].Type == hclsyntax.TokenOBrace ||
			tokens[i-1].Type == hclsyntax.TokenTemplateControl || tokens[i-1].Type == hclsyntax.TokenNewline)
		if opener && t.Type == hclsyntax.TokenIdent && string(t.Bytes) == "for" {
			count++
		}
	}
	if count > 1 {
		return &limitHit{what: "the number of for expressions in one string of the JSON syntax", limit: 1}
	}
	return nil
}
