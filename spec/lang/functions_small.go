package lang

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions of Terraform's that the libraries lack.

func anyParam(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.DynamicPseudoType, AllowDynamicType: true}
}

// whenKnown waits until all of the arguments is known: some of a list may not be, before planning and after a mistake.
func whenKnown(impl function.ImplFunc) function.ImplFunc {
	return func(args []cty.Value, t cty.Type) (cty.Value, error) {
		for _, a := range args {
			if !a.IsWhollyKnown() {
				return cty.UnknownVal(t), nil
			}
		}
		return impl(args, t)
	}
}

// lengthFunc counts elements, attributes or characters.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{anyParam("value")},
	Type: func(args []cty.Value) (cty.Type, error) {
		t := args[0].Type()
		if t == cty.String || t == cty.DynamicPseudoType || t.IsCollectionType() || t.IsTupleType() || t.IsObjectType() {
			return cty.Number, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "wants a string, list, set, map, tuple or object")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch t := args[0].Type(); {
		case t == cty.String:
			return stdlib.Strlen(args[0])
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
		}
		return args[0].Length(), nil
	},
})

// indexFunc finds the first position of a value in a list.
var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{anyParam("list"), anyParam("value")},
	Type:   function.StaticReturnType(cty.Number),
	Impl: whenKnown(func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "wants a list")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, e := it.Element()
			eq, err := stdlib.Equal(e, args[1])
			if err != nil || !eq.IsKnown() {
				continue
			}
			if eq.True() {
				return i, nil
			}
		}
		return cty.NilVal, fmt.Errorf("the value isn't in the list")
	}),
})

// elements converts the elements of a collection to typ.
func elements(v cty.Value, typ cty.Type) ([]cty.Value, error) {
	if !v.CanIterateElements() {
		return nil, function.NewArgErrorf(0, "wants a list")
	}
	var out []cty.Value
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		c, err := convert.Convert(e, typ)
		if err != nil || c.IsNull() {
			return nil, function.NewArgErrorf(0, "wants a list of %s", typ.FriendlyName())
		}
		out = append(out, c)
	}
	return out, nil
}

var sumFunc = function.New(&function.Spec{
	Params: []function.Parameter{anyParam("list")},
	Type:   function.StaticReturnType(cty.Number),
	Impl: whenKnown(func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		list, err := elements(args[0], cty.Number)
		if err != nil {
			return cty.NilVal, err
		}
		total := cty.NumberIntVal(0)
		for _, n := range list {
			total = total.Add(n)
		}
		return total, nil
	}),
})

func boolFold(start bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam("list")},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: whenKnown(func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			list, err := elements(args[0], cty.Bool)
			if err != nil {
				return cty.NilVal, err
			}
			found := slices.ContainsFunc(list, func(v cty.Value) bool { return v.True() != start })
			return cty.BoolVal(found != start), nil
		}),
	})
}

var (
	allTrueFunc = boolFold(true)
	anyTrueFunc = boolFold(false)
)

// transposeFunc turns a map of lists of strings around.
var transposeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "map", Type: cty.Map(cty.List(cty.String))}},
	Type:   function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: whenKnown(func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		out := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			k, list := it.Element()
			if list.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "wants a map of lists of strings")
			}
			for _, e := range list.AsValueSlice() {
				if e.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "can't turn null around")
				}
				out[e.AsString()] = append(out[e.AsString()], k)
			}
		}
		if len(out) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		vals := make(map[string]cty.Value, len(out))
		for k, list := range out {
			vals[k] = cty.ListVal(list)
		}
		return cty.MapVal(vals), nil
	}),
})

// oneFunc is the only element of a list, or null when it is empty.
var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{anyParam("list")},
	Type: func(args []cty.Value) (cty.Type, error) {
		switch t := args[0].Type(); {
		case t.IsListType() || t.IsSetType():
			return t.ElementType(), nil
		case t.IsTupleType() && t.Length() == 1:
			return t.TupleElementType(0), nil
		case t.IsTupleType() && t.Length() == 0 || t == cty.DynamicPseudoType:
			return cty.DynamicPseudoType, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "wants a list or set of at most one element")
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		switch args[0].LengthInt() {
		case 0:
			return cty.NullVal(t), nil
		case 1:
			return args[0].AsValueSlice()[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "wants a list or set of at most one element, this has %d", args[0].LengthInt())
	},
})

func stringTest(name string, test func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "string", Type: cty.String}, {Name: name, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var (
	startsWithFunc  = stringTest("prefix", strings.HasPrefix)
	endsWithFunc    = stringTest("suffix", strings.HasSuffix)
	strContainsFunc = stringTest("part", strings.Contains)
)

// matchKeysFunc returns the values whose keys, beside them, are in a third list.
var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)}, {Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "search", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: whenKnown(func(args []cty.Value, t cty.Type) (cty.Value, error) {
		values, keys, search := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
		if len(values) != len(keys) {
			return cty.NilVal, fmt.Errorf("values and keys have different lengths")
		}
		var out []cty.Value
		for i, k := range keys {
			if slices.ContainsFunc(search, func(s cty.Value) bool { return s.RawEquals(k) }) {
				out = append(out, values[i])
			}
		}
		if len(out) == 0 {
			return cty.ListValEmpty(t.ElementType()), nil
		}
		return cty.ListVal(out), nil
	}),
})

var base64Sha256Func = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "string", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		sum := sha256.Sum256([]byte(args[0].AsString()))
		return cty.StringVal(base64.StdEncoding.EncodeToString(sum[:])), nil
	},
})

var markedParam = []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowMarked: true, AllowNull: true, AllowUnknown: true, AllowDynamicType: true}}

// sensitiveFunc marks a value as never to be shown.
var sensitiveFunc = function.New(&function.Spec{
	Params: markedParam,
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return args[0].Mark(sensitive("a value given to sensitive()")), nil
	},
})

// nonsensitiveFunc is the author's word that a value may be shown.
var nonsensitiveFunc = function.New(&function.Spec{
	Params: markedParam,
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, _ := args[0].UnmarkDeep()
		return v, nil
	},
})
