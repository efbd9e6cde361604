package api

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/spec"
)

// differences says what two specs say differently, block by block in order of address. Where a block was
// written doesn't count. Of a secret it is only told that it differs.
func differences(from, to *spec.Spec) []wire.BlockDiff {
	before, after := blocksOf(from), blocksOf(to)
	out := []wire.BlockDiff{}
	for address, old := range before {
		next, kept := after[address]
		switch {
		case !kept:
			out = append(out, wire.BlockDiff{Address: address, Change: "removed"})
		case !reflect.DeepEqual(old, next):
			if attributes := attributesOf(old, next); len(attributes) > 0 {
				out = append(out, wire.BlockDiff{Address: address, Change: "changed", Attributes: attributes})
			}
		}
	}
	for address := range after {
		if _, had := before[address]; !had {
			out = append(out, wire.BlockDiff{Address: address, Change: "added"})
		}
	}
	slices.SortFunc(out, func(a, b wire.BlockDiff) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

// blocksOf returns the blocks by address, and under names of their own what a folder has once.
func blocksOf(s *spec.Spec) map[string]any {
	blocks := map[string]any{"scheduler": s.Scheduler, "migration": s.Migration}
	v := reflect.ValueOf(*s)
	for i := range v.NumField() {
		list := v.Field(i)
		if list.Kind() != reflect.Slice || list.Type().Elem().Kind() != reflect.Struct {
			continue
		}
		for k := range list.Len() {
			block := list.Index(k)
			if address := block.FieldByName("Address"); address.IsValid() {
				blocks[address.String()] = block.Interface()
			}
		}
	}
	return blocks
}

// attributesOf compares two blocks field by field.
func attributesOf(old, next any) []wire.Attribute {
	a, b := reflect.ValueOf(old), reflect.ValueOf(next)
	var out []wire.Attribute
	for i := range a.NumField() {
		field := a.Type().Field(i)
		if field.Type == reflect.TypeFor[spec.Source]() || field.Name == "Address" || reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		was, is := shown(a.Field(i)), shown(b.Field(i))
		if was == is && was != "" {
			if !secretsDiffer(a.Field(i), b.Field(i)) {
				continue // nil and empty
			}
			is += ", changed"
		}
		out = append(out, wire.Attribute{Name: name, Old: was, New: is})
	}
	return out
}

// sensitive stands for every secret.
const sensitive = "(sensitive)"

// shown writes a value for people, without its secrets.
func shown(v reflect.Value) string {
	if !v.IsValid() || v.IsZero() {
		return ""
	}
	clean := cleaned(v)
	if text, ok := clean.(string); ok {
		return text
	}
	data, err := json.Marshal(clean)
	if err != nil {
		return "?"
	}
	return string(data)
}

// cleaned copies a value into what JSON has, with a word in place of each secret. It knows the shapes that a spec is made
// of; of any other it shows nothing.
func cleaned(v reflect.Value) any {
	if s, ok := v.Interface().(spec.Secret); ok {
		if s.IsZero() {
			return ""
		}
		return sensitive
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64, reflect.Uint32, reflect.Uint64:
		if text, ok := v.Interface().(interface{ String() string }); ok {
			return text.String()
		}
		return v.Interface()
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return cleaned(v.Elem())
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = cleaned(v.Index(i))
		}
		return list
	case reflect.Map:
		m := make(map[string]any, v.Len())
		for _, key := range v.MapKeys() {
			m[key.String()] = cleaned(v.MapIndex(key))
		}
		return m
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if name != "" && name != "-" && !v.Field(i).IsZero() {
				m[name] = cleaned(v.Field(i))
			}
		}
		return m
	}
	return sensitive
}

// secretsDiffer reports whether two values that look alike hide different secrets.
func secretsDiffer(a, b reflect.Value) bool {
	raw := func(v reflect.Value) string {
		data, err := json.Marshal(v.Interface()) // sealed secrets are compared by what they are
		if err != nil {
			return ""
		}
		return string(data)
	}
	return raw(a) != raw(b)
}
