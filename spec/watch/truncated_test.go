package watch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTruncated(t *testing.T) {
	type files = map[string][]byte
	two := []byte("a {\n}\nb {\n}\n")
	for name, c := range map[string]struct {
		good, now files
		want      []string
	}{
		"nothing before":         {nil, files{"f": two}, nil},
		"the same":               {files{"f": two}, files{"f": two}, nil},
		"cut at a block's end":   {files{"f": two}, files{"f": two[:6]}, []string{"f"}},
		"emptied":                {files{"f": two}, files{"f": nil}, []string{"f"}},
		"a final newline gone":   {files{"f": two}, files{"f": two[:len(two)-1]}, nil},
		"longer":                 {files{"f": two[:6]}, files{"f": two}, nil},
		"another text":           {files{"f": two}, files{"f": []byte("b {")}, nil},
		"the first block gone":   {files{"f": two}, files{"f": two[6:]}, nil},
		"another file goes away": {files{"f": two, "g": two}, files{"f": two}, nil},
		"several": {files{"f": two, "g": two, "h": two}, files{"f": two[:6], "g": two, "h": two[:1]},
			[]string{"f", "h"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Truncated(c.good, c.now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A file is named whatever it is cut to, as long as text is missing.
func TestTruncatedFindsEveryCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z {}\n]*[a-z}]`).Draw(t, "text")
		n := rapid.IntRange(0, len(text)-1).Draw(t, "cut")
		got := Truncated(map[string][]byte{"f": []byte(text)}, map[string][]byte{"f": []byte(text[:n])})
		if len(got) != 1 {
			t.Fatalf("%q cut to %q is not noticed", text, text[:n])
		}
	})
}

func TestSumAsText(t *testing.T) {
	want := SumOf([]byte("x"))
	text, err := want.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var got Sum
	if err := got.UnmarshalText(text); err != nil || got != want {
		t.Errorf("%x, %v", got, err)
	}
	for _, bad := range []string{"", "zz", string(text[2:]), string(text) + "00"} {
		if err := new(Sum).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
}
