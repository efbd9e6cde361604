package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

// requote puts the quotes back that a shell took off a key: instance.db[standby].
func requote(text string) string {
	open := strings.LastIndexByte(text, '[')
	if open < 0 || !strings.HasSuffix(text, "]") {
		return text
	}
	key := text[open+1 : len(text)-1]
	if _, err := strconv.Atoi(key); err == nil || strings.ContainsAny(key, `"[]`) || key == "" {
		return text
	}
	return text[:open+1] + strconv.Quote(key) + "]"
}

// nearAddress adds to a "not found" what may have been meant.
func nearAddress(err error, address string, s *spec.Spec) error {
	e := new(wire.Error)
	if !errors.As(err, &e) || e.Code != api.CodeNotFound {
		return err
	}
	best, least := "", 5
	for i := range s.Instances {
		a := &s.Instances[i].Address
		d := levenshtein.Distance(address, string(*a), nil)
		if a.Block() == spec.Address(address) {
			d = 1
		}
		if d == 0 {
			return err // it is there; something else about it isn't
		}
		if d < least {
			best, least = string(*a), d
		}
	}
	if best != "" {
		e.Detail = append(e.Detail, "Did you mean "+best+"?")
	}
	return e
}
