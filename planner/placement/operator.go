package placement

import (
	"fmt"
	"strconv"
	"strings"
)

// Requirement is the value of an extra spec: "true", ">= 4", "<or> kvm <or> qemu". The first word, up
// to a space, is an operator when it is one of Nova's; otherwise the whole text is compared as it is:
//
//	=           numeric >= (Nova kept the name)
//	== != >= <= numeric
//	s== s!= s< s<= s> s>=  string, in byte order
//	<in>        the word occurs in the value
//	<all-in>    every word occurs in the value
//	<or>        any of the words that follow an <or> is the value
type Requirement string

// Check says what is malformed: an operator without its operand, or a numeric one with a word.
func (q Requirement) Check() error {
	op, words := q.split()
	switch {
	case op == "":
		return nil
	case len(words) == 0:
		return fmt.Errorf("%q: %s needs a value after it", string(q), op)
	case isNumeric(op):
		if _, err := strconv.ParseFloat(words[0], 64); err != nil {
			return fmt.Errorf("%q: %s needs a number, not %q", string(q), op, words[0])
		}
	}
	return nil
}

// Matches reports whether value meets the requirement. A malformed one is never met.
func (q Requirement) Matches(value string) bool {
	op, words := q.split()
	switch {
	case op == "":
		return value == string(q)
	case len(words) == 0:
		return false
	case isNumeric(op):
		return compareNumbers(op, value, words[0])
	}
	switch op {
	case "<in>":
		return strings.Contains(value, words[0])
	case "<all-in>":
		for _, w := range words {
			if !strings.Contains(value, w) {
				return false
			}
		}
		return true
	case "<or>":
		return anyOf(words, value)
	}
	return compareStrings(op, value, words[0])
}

// split returns the operator, "" when there is none, and the words after it.
func (q Requirement) split() (op string, words []string) {
	words = strings.Fields(string(q))
	if len(words) == 0 {
		return "", nil
	}
	switch words[0] {
	case "=", "==", "!=", ">=", "<=", "s==", "s!=", "s<", "s<=", "s>", "s>=", "<in>", "<all-in>", "<or>":
		return words[0], words[1:]
	}
	return "", nil
}

func isNumeric(op string) bool {
	switch op {
	case "=", "==", "!=", ">=", "<=":
		return true
	}
	return false
}

func compareNumbers(op, value, wanted string) bool {
	x, errX := strconv.ParseFloat(value, 64)
	y, errY := strconv.ParseFloat(wanted, 64)
	if errX != nil || errY != nil {
		return false
	}
	switch op {
	case "=", ">=":
		return x >= y
	case "<=":
		return x <= y
	case "!=":
		return x != y
	}
	return x == y
}

func compareStrings(op, value, wanted string) bool {
	switch c := strings.Compare(value, wanted); op {
	case "s!=":
		return c != 0
	case "s<":
		return c < 0
	case "s<=":
		return c <= 0
	case "s>":
		return c > 0
	case "s>=":
		return c >= 0
	default:
		return c == 0
	}
}

// anyOf takes the words of "<or> a <or> b" after the first operator: every second one is an operand.
func anyOf(words []string, value string) bool {
	for i := 0; i < len(words); i += 2 {
		if words[i] == value {
			return true
		}
	}
	return false
}
