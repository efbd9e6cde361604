package lang

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// TextOptions say how diagnostics are written for people.
type TextOptions struct {
	Color bool
	Width int // of the terminal, for wrapping; 0: no wrapping
}

// longestLine is how much of a source line is shown.
const longestLine = 200

// WriteText writes diagnostics for people: severity and summary, place, snippet with the culprit
// underlined, the values of what it mentions, and what to do.
func WriteText(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, opts TextOptions) error {
	var b strings.Builder
	for _, d := range diags {
		writeOne(&b, d, files, opts)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeOne(b *strings.Builder, d *hcl.Diagnostic, files map[string]*hcl.File, opts TextOptions) {
	paint := func(code, s string) string {
		if !opts.Color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	word := paint("1;31", "Error")
	if d.Severity == hcl.DiagWarning {
		word = paint("1;33", "Warning")
	}
	fmt.Fprintf(b, "%s: %s\n", word, paint("1", d.Summary))
	if s := snippetOf(d, files); d.Subject != nil {
		fmt.Fprintf(b, "\n  on %s line %d:\n", d.Subject.Filename, d.Subject.Start.Line)
		if s != nil {
			line := strings.ReplaceAll(s.Code, "\t", " ")
			fmt.Fprintf(b, "%5d: %s\n", s.StartLine, line)
			from, to := s.columns()
			fmt.Fprintf(b, "       %s%s\n", strings.Repeat(" ", from), paint("1", strings.Repeat("^", max(1, to-from))))
			for _, v := range s.Values {
				fmt.Fprintf(b, "       %s %s\n", v.Traversal, v.Statement)
			}
		}
	}
	if d.Detail != "" {
		b.WriteString("\n" + wrap(d.Detail, opts.Width) + "\n")
	}
	b.WriteString("\n")
}

// wrap breaks lines between words.
func wrap(text string, width int) string {
	if width < 20 {
		return text
	}
	var out []string
	for _, line := range strings.Split(text, "\n") {
		current := ""
		for _, word := range strings.Fields(line) {
			if current != "" && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width {
				out, current = append(out, current), ""
			}
			if current != "" {
				current += " "
			}
			current += word
		}
		out = append(out, current)
	}
	return strings.Join(out, "\n")
}

// DiagnosticsJSON is the document of validate -json, in Terraform's form.
type DiagnosticsJSON struct {
	FormatVersion string           `json:"format_version"`
	Valid         bool             `json:"valid"`
	ErrorCount    int              `json:"error_count"`
	WarningCount  int              `json:"warning_count"`
	Diagnostics   []DiagnosticJSON `json:"diagnostics"`
}

// DiagnosticJSON is one diagnostic.
type DiagnosticJSON struct {
	Severity string       `json:"severity"` // "error" or "warning"
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail,omitempty"`
	Range    *RangeJSON   `json:"range,omitempty"`
	Snippet  *SnippetJSON `json:"snippet,omitempty"`
}

// RangeJSON is a place in a file.
type RangeJSON struct {
	Filename string  `json:"filename"`
	Start    PosJSON `json:"start"`
	End      PosJSON `json:"end"`
}

// PosJSON is a position: line and column from 1, byte from 0.
type PosJSON struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// SnippetJSON is the line of source that a diagnostic is about. The offsets count bytes in Code.
type SnippetJSON struct {
	Context              *string     `json:"context"`
	Code                 string      `json:"code"`
	StartLine            int         `json:"start_line"`
	HighlightStartOffset int         `json:"highlight_start_offset"`
	HighlightEndOffset   int         `json:"highlight_end_offset"`
	Values               []ValueJSON `json:"values"`
}

// ValueJSON is the value of something that the snippet mentions: "var.size", "is 3".
type ValueJSON struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// columns returns the highlighted columns of the snippet, in characters from 0.
func (s *SnippetJSON) columns() (from, to int) {
	return utf8.RuneCountInString(s.Code[:s.HighlightStartOffset]), utf8.RuneCountInString(s.Code[:s.HighlightEndOffset])
}

// ToJSON converts diagnostics to Terraform's form.
func ToJSON(diags hcl.Diagnostics, files map[string]*hcl.File) DiagnosticsJSON {
	out := DiagnosticsJSON{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []DiagnosticJSON{}}
	for _, d := range diags {
		j := DiagnosticJSON{Severity: "error", Summary: d.Summary, Detail: d.Detail, Snippet: snippetOf(d, files)}
		if d.Severity == hcl.DiagWarning {
			j.Severity = "warning"
			out.WarningCount++
		} else {
			out.ErrorCount++
		}
		if d.Subject != nil {
			pos := func(p hcl.Pos) PosJSON { return PosJSON{Line: p.Line, Column: p.Column, Byte: p.Byte} }
			j.Range = &RangeJSON{Filename: d.Subject.Filename, Start: pos(d.Subject.Start), End: pos(d.Subject.End)}
		}
		out.Diagnostics = append(out.Diagnostics, j)
	}
	return out
}

// WriteJSON writes diagnostics as the document of validate -json.
func WriteJSON(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(ToJSON(diags, files))
}

// snippetOf cuts the first line of the subject out of its file.
func snippetOf(d *hcl.Diagnostic, files map[string]*hcl.File) *SnippetJSON {
	if d.Subject == nil {
		return nil
	}
	f := files[d.Subject.Filename]
	if f == nil || d.Subject.Start.Byte < 0 || d.Subject.Start.Byte > len(f.Bytes) {
		return nil
	}
	start := bytes.LastIndexByte(f.Bytes[:d.Subject.Start.Byte], '\n') + 1
	end := len(f.Bytes)
	if i := bytes.IndexByte(f.Bytes[start:], '\n'); i >= 0 {
		end = start + i
	}
	if d.Subject.Start.Byte-start > longestLine {
		start = d.Subject.Start.Byte - longestLine/4
	}
	end = min(end, start+longestLine)
	code := f.Bytes[start:end]
	from := min(d.Subject.Start.Byte-start, len(code))
	to := min(max(d.Subject.End.Byte-start, from), len(code))
	s := &SnippetJSON{StartLine: d.Subject.Start.Line, Values: valuesOf(d)}
	s.Code = visible(bytes.TrimRight(code, "\r"))
	s.HighlightStartOffset = min(from, len(s.Code))
	s.HighlightEndOffset = min(to, len(s.Code))
	return s
}

// visible replaces what isn't UTF-8 and what a terminal would obey, byte by byte as far as it can: offsets stay
// right, and a file can't write anywhere else on the screen.
func visible(code []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(code), "?"))
}

// valuesOf describes what the expression of a diagnostic mentions.
func valuesOf(d *hcl.Diagnostic) []ValueJSON {
	out := []ValueJSON{}
	if d.Expression == nil || d.EvalContext == nil {
		return out
	}
	seen := map[string]bool{}
	for _, t := range d.Expression.Variables() {
		name := traversalText(t)
		if seen[name] {
			continue
		}
		seen[name] = true
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() || !v.IsKnown() || v.ContainsMarked() {
			continue // unknown, or nobody's business
		}
		if ty := v.Type(); len(t) == 1 && ty.IsObjectType() {
			continue // the whole of a kind says nothing
		}
		out = append(out, ValueJSON{Traversal: name, Statement: "is " + friendly(v)})
	}
	slices.SortFunc(out, func(a, b ValueJSON) int { return strings.Compare(a.Traversal, b.Traversal) })
	return out
}
