package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// Address names one block instance of a spec: "instance.web[2]", `instance.db["primary"]`,
// `flavor["m1.small"]`. It is the identity of what it names: it never depends on a host.
//
// The canonical form writes a label that is not an identifier as an index (`flavor["m1.small"]`),
// a count as [n] and a for_each key as ["key"].
type Address string

// NewAddress returns the canonical address of block kind.label without a key.
func NewAddress(kind, label string) Address {
	if isIdentifier(label) {
		return Address(kind + "." + label)
	}
	return Address(kind + "[" + strconv.Quote(label) + "]")
}

// Index returns the address of element n of a block with count.
func (a Address) Index(n int) Address {
	return Address(string(a) + "[" + strconv.Itoa(n) + "]")
}

// Key returns the address of element key of a block with for_each.
func (a Address) Key(key string) Address {
	return Address(string(a) + "[" + strconv.Quote(key) + "]")
}

// Kind returns the block type: "instance", "host", ...
func (a Address) Kind() string {
	if i := strings.IndexAny(string(a), ".["); i >= 0 {
		return string(a[:i])
	}
	return string(a)
}

// Block returns the address without its count or for_each key.
func (a Address) Block() Address {
	p, err := a.parse()
	if err != nil {
		return a
	}
	return NewAddress(p.kind, p.label)
}

// Label returns the block's label: "web" for instance.web[2].
func (a Address) Label() string {
	p, err := a.parse()
	if err != nil {
		return string(a)
	}
	return p.label
}

// Short returns what people say: the for_each key alone for hosts ("a1" for host.kvm["a1"]) is the
// host's name and comes from Host.Name; Short is the fallback for anything else: label plus key.
func (a Address) Short() string {
	p, err := a.parse()
	if err != nil {
		return string(a)
	}
	return p.label + p.key
}

// ParseAddress checks s and returns its canonical form.
func ParseAddress(s string) (Address, error) {
	p, err := Address(s).parse()
	if err != nil {
		return "", err
	}
	return Address(string(NewAddress(p.kind, p.label)) + p.key), nil
}

type addressParts struct {
	kind, label, key string // key is in its canonical brackets, or empty
}

func (a Address) parse() (addressParts, error) {
	bad := func() (addressParts, error) {
		return addressParts{}, fmt.Errorf("%q is not an address: want kind.label, kind.label[n] or kind.label[\"key\"]", string(a))
	}
	s := string(a)
	end := strings.IndexAny(s, ".[")
	if end <= 0 || !isIdentifier(s[:end]) {
		return bad()
	}
	p := addressParts{kind: s[:end]}
	s = s[end:]
	if s[0] == '.' {
		s = s[1:]
		end = strings.IndexByte(s, '[')
		if end < 0 {
			end = len(s)
		}
		p.label, s = s[:end], s[end:]
		if !isIdentifier(p.label) {
			return bad()
		}
	} else {
		label, rest, ok := bracket(s)
		if !ok || label[0] != '"' {
			return bad()
		}
		p.label, _ = strconv.Unquote(label)
		s = rest
	}
	if s == "" {
		return p, nil
	}
	key, rest, ok := bracket(s)
	if !ok || rest != "" {
		return bad()
	}
	p.key = "[" + key + "]"
	return p, nil
}

// bracket splits `[x]rest`, where x is a decimal number or a quoted string, and returns x in
// canonical form.
func bracket(s string) (inner, rest string, ok bool) {
	if len(s) < 3 || s[0] != '[' {
		return "", "", false
	}
	s = s[1:]
	if s[0] == '"' {
		q, err := strconv.QuotedPrefix(s)
		if err != nil || len(s) == len(q) || s[len(q)] != ']' {
			return "", "", false
		}
		v, err := strconv.Unquote(q)
		if err != nil {
			return "", "", false
		}
		return strconv.Quote(v), s[len(q)+1:], true
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return "", "", false
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil || n < 0 {
		return "", "", false
	}
	return strconv.Itoa(n), s[end+1:], true
}

func isIdentifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}
