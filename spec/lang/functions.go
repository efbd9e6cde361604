package lang

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/hashicorp/go-cty-funcs/cidr"
	"github.com/hashicorp/go-cty-funcs/collection"
	"github.com/hashicorp/go-cty-funcs/crypto"
	"github.com/hashicorp/go-cty-funcs/encoding"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions returns every function of the language. They are Terraform's, under its names.
func (ev *evaluator) functions(confined bool) map[string]function.Function {
	fs := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,
		"parseint": stdlib.ParseIntFunc, "int": stdlib.IntFunc,

		"chomp": stdlib.ChompFunc, "format": ev.limitFormat(stdlib.FormatFunc), "formatlist": ev.limitFormat(stdlib.FormatListFunc),
		"indent": stdlib.IndentFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "regexreplace": stdlib.RegexReplaceFunc,
		"replace": stdlib.ReplaceFunc, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
		"strlen": stdlib.StrlenFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimsuffix": stdlib.TrimSuffixFunc, "trimspace": stdlib.TrimSpaceFunc,

		"chunklist": stdlib.ChunklistFunc, "coalesce": collection.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
		"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "setsymmetricdifference": stdlib.SetSymmetricDifferenceFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"base64decode": encoding.Base64DecodeFunc, "base64encode": encoding.Base64EncodeFunc, "urlencode": encoding.URLEncodeFunc,
		"jsonencode": stdlib.JSONEncodeFunc, "jsondecode": ev.limitNesting(stdlib.JSONDecodeFunc, depthOfJSON, deepestText/20),
		"yamlencode": yaml.YAMLEncodeFunc, "yamldecode": ev.limitNesting(yaml.YAMLDecodeFunc, depthOfYAML, deepestText), "csvdecode": stdlib.CSVDecodeFunc,

		"md5": crypto.Md5Func, "sha1": crypto.Sha1Func, "sha256": crypto.Sha256Func, "sha512": crypto.Sha512Func,

		"cidrhost": cidr.HostFunc, "cidrnetmask": cidr.NetmaskFunc, "cidrsubnet": cidr.SubnetFunc, "cidrsubnets": cidr.SubnetsFunc,

		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc, "formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,
		"range": ev.rangeFunc(), "setproduct": ev.setProductFunc(), "sensitive": sensitiveFunc, "nonsensitive": nonsensitiveFunc,
		"length": lengthFunc, "index": indexFunc, "sum": sumFunc, "transpose": transposeFunc, "one": oneFunc,
		"alltrue": allTrueFunc, "anytrue": anyTrueFunc, "startswith": startsWithFunc, "endswith": endsWithFunc,
		"strcontains": strContainsFunc, "matchkeys": matchKeysFunc, "base64sha256": base64Sha256Func,
		"tobool": conversion(cty.Bool), "tostring": conversion(cty.String), "tonumber": conversion(cty.Number),
		"tolist": conversion(cty.List(cty.DynamicPseudoType)), "toset": conversion(cty.Set(cty.DynamicPseudoType)),
		"tomap": conversion(cty.Map(cty.DynamicPseudoType)),
	}
	for name, why := range refused {
		fs[name] = refusedFunc(name, why)
	}
	for name, f := range ev.fileFunctions(confined) {
		fs[name] = f
	}
	return fs
}

// refused are Terraform's functions that would make every plan differ from the last.
var refused = map[string]string{
	"timestamp":     "its value would differ in every plan, so that no plan could ever be empty; write the time down",
	"plantimestamp": "its value would differ in every plan, so that no plan could ever be empty; write the time down",
	"uuid":          "its value would differ in every plan, so that no plan could ever be empty; identity is the address here",
	"uuidv5":        "identity is the address here; write the UUID down if a guest needs one",
	"bcrypt":        "its value would differ in every plan; write the hash down",
	"abspath":       "it depends on where the folder is on this machine; paths are relative to the folder here",
}

func refusedFunc(name, why string) function.Function {
	fail := func([]cty.Value) error { return fmt.Errorf("%s() isn't available: %s", name, why) }
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
		Type:     func(args []cty.Value) (cty.Type, error) { return cty.String, fail(args) },
		Impl:     func(args []cty.Value, _ cty.Type) (cty.Value, error) { return cty.NilVal, fail(args) },
	})
}

// guard puts a check of the arguments in front of a function.
func guard(f function.Function, check func(args []cty.Value) error) function.Function {
	s := &function.Spec{Params: f.Params(), VarParam: f.VarParam()}
	s.Type = func(args []cty.Value) (cty.Type, error) {
		if err := check(args); err != nil {
			return cty.NilType, err
		}
		return f.ReturnTypeForValues(args)
	}
	s.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) }
	return function.New(s)
}

// deepestText is how deep a text for yamldecode may be nested; for jsondecode it is a twentieth,
// because there the depth is counted exactly.
const deepestText = 200_000

// limitNesting keeps decoders, which recurse, from what would overflow the stack.
func (ev *evaluator) limitNesting(f function.Function, depthOf func(string) int, limit int) function.Function {
	return guard(f, func(args []cty.Value) error {
		if !args[0].IsKnown() || args[0].IsNull() || args[0].Type() != cty.String {
			return nil
		}
		if depthOf(args[0].AsString()) > limit {
			return fmt.Errorf("the text is nested too deeply: it is limited to %d", limit)
		}
		return nil
	})
}

// depthOfJSON returns the deepest nesting of brackets outside of strings.
func depthOfJSON(s string) int {
	depth, deepest := 0, 0
	src := []byte(s)
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		case '"':
			i = stringEnd(src, i) - 1
		}
	}
	return deepest
}

// depthOfYAML returns at least the deepest nesting: a closing bracket near a quote or comment may be
// none, and isn't counted.
func depthOfYAML(s string) int {
	depth, deepest := 0, 0
	for line := range strings.Lines(s) {
		indent := len(line) - len(strings.TrimLeft(line, " -?")) // in block style it nests
		depth += strings.Count(line, "[") + strings.Count(line, "{")
		deepest = max(deepest, depth+indent)
		if !strings.ContainsAny(line, `'"#`) {
			depth = max(0, depth-strings.Count(line, "]")-strings.Count(line, "}"))
		}
	}
	return deepest
}

// limitFormat refuses widths that would fill the memory.
func (ev *evaluator) limitFormat(f function.Function) function.Function {
	return guard(f, func(args []cty.Value) error {
		if len(args) == 0 || !args[0].IsKnown() || args[0].IsNull() || args[0].Type() != cty.String {
			return nil
		}
		digits := 0
		for _, r := range args[0].AsString() {
			if digits++; r < '0' || r > '9' {
				digits = 0
			}
			if digits > 5 && strings.Contains(args[0].AsString(), "%") {
				return fmt.Errorf("a width in a format is limited to 5 digits")
			}
		}
		return nil
	})
}

// rangeFunc is Terraform's range, with the folder's limit in place of 1,024.
func (ev *evaluator) rangeFunc() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "params", Type: cty.Number},
		Type:     function.StaticReturnType(cty.List(cty.Number)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			start, end, step := new(big.Float), new(big.Float), big.NewFloat(1)
			switch len(args) {
			case 1:
				end = args[0].AsBigFloat()
			case 2, 3:
				start, end = args[0].AsBigFloat(), args[1].AsBigFloat()
			default:
				return cty.NilVal, fmt.Errorf("range has one, two or three arguments: end; start, end; start, end, step")
			}
			if len(args) == 3 {
				step = args[2].AsBigFloat()
			} else if end.Cmp(start) < 0 {
				step = big.NewFloat(-1)
			}
			return ev.makeRange(start, end, step)
		},
	})
}

func (ev *evaluator) makeRange(start, end, step *big.Float) (cty.Value, error) {
	if step.Sign() == 0 || start.IsInf() || end.IsInf() {
		return cty.NilVal, fmt.Errorf("range with these arguments has no end")
	}
	if step.Sign() > 0 && end.Cmp(start) < 0 || step.Sign() < 0 && end.Cmp(start) > 0 {
		return cty.NilVal, fmt.Errorf("range never arrives: the step goes away from the end")
	}
	var vals []cty.Value
	for n := start; step.Sign() > 0 && n.Cmp(end) < 0 || step.Sign() < 0 && n.Cmp(end) > 0; n = new(big.Float).Add(n, step) {
		if len(vals) == ev.lim.Elements {
			return cty.NilVal, fmt.Errorf("range is limited to %d elements", ev.lim.Elements)
		}
		if err := ev.iterate(); err != nil {
			return cty.NilVal, err
		}
		vals = append(vals, cty.NumberVal(n))
	}
	if len(vals) == 0 {
		return cty.ListValEmpty(cty.Number), nil
	}
	return cty.ListVal(vals), nil
}

// setProductFunc limits the product before it is made.
func (ev *evaluator) setProductFunc() function.Function {
	return guard(stdlib.SetProductFunc, func(args []cty.Value) error {
		total := 1
		for _, a := range args {
			if !a.IsKnown() || a.IsNull() || !a.CanIterateElements() {
				return nil
			}
			if total *= max(1, a.LengthInt()); total > ev.lim.Elements {
				return fmt.Errorf("setproduct is limited to %d elements", ev.lim.Elements)
			}
		}
		return nil
	})
}

// conversion makes tostring and its like.
func conversion(want cty.Type) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "v", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowDynamicType: true, AllowUnknown: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			got := args[0].Type()
			if got.Equals(want) || got == cty.DynamicPseudoType {
				return want, nil
			}
			if v, err := convert.Convert(uniform(args[0]), want); err == nil {
				return v.Type(), nil
			}
			return cty.NilType, function.NewArgErrorf(0, "cannot convert %s to %s", got.FriendlyName(), want.FriendlyNameForConstraint())
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := convert.Convert(uniform(args[0]), want)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "cannot convert to %s", want.FriendlyNameForConstraint())
			}
			return v, nil
		},
	})
}

// uniform turns a tuple whose elements have one type into a list. cty would compare each type with
// each other one, which takes seconds for the names of ten thousand hosts.
func uniform(v cty.Value) cty.Value {
	t := v.Type()
	if !t.IsTupleType() || t.Length() == 0 || v.IsNull() || !v.IsKnown() || v.IsMarked() {
		return v
	}
	types := t.TupleElementTypes()
	for _, e := range types[1:] {
		if !e.Equals(types[0]) {
			return v
		}
	}
	return cty.ListVal(v.AsValueSlice())
}
