package render

import "strings"

// kindOf returns the block type of an address.
func kindOf(address string) string {
	if i := strings.IndexAny(address, ".["); i >= 0 {
		return address[:i]
	}
	return address
}

// split returns the block and the key of an address: "instance.web" and "[2]", `flavor["a"]` and "".
func split(address string) (block, key string) {
	open := strings.LastIndexByte(address, '[')
	if open <= 0 || !strings.HasSuffix(address, "]") {
		return address, ""
	}
	if strings.HasSuffix(address, `"]`) {
		open = quotedKey(address)
	}
	if open <= 0 || !strings.ContainsAny(address[:open], ".[") {
		return address, "" // the bracket is the label
	}
	return address[:open], address[open:]
}

// quotedKey finds the opening bracket of the last quoted key.
func quotedKey(address string) int {
	last := -1
	inside := false
	for i := 0; i < len(address); i++ {
		switch {
		case inside && address[i] == '\\':
			i++
		case address[i] == '"':
			if !inside && i > 0 {
				last = i - 1
			}
			inside = !inside
		}
	}
	return last
}

// bare returns what people call a key: primary for ["primary"], [2] for [2].
func bare(key string) string {
	if inner, ok := strings.CutPrefix(key, `["`); ok {
		return strings.TrimSuffix(inner, `"]`)
	}
	return key
}
