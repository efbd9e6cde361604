package lang

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// chunkBytes is how much source is parsed at a time. The HCL lexer keeps all tokens of a source in
// one growing slice, so that small sources are lexed in half the time of large ones.
const chunkBytes = 1024

// cut is a place between two top-level items of a file.
type cut struct {
	offset, line int
}

// scanner walks over the bytes of a native-syntax file before anything is parsed. It follows
// brackets, strings, templates, heredocs and comments, to find nesting beyond the limit and the
// places where a file can be cut. It gives up (sure = false) on what it can't follow without doubt;
// then the exact, slower scanTokens decides and the file is parsed in one piece.
type scanner struct {
	src    []byte
	lim    Limits
	pos    int
	line   int
	frames []frame
	ctl    int // open %{if} and %{for} over all frames
	cuts   []cut
	hit    *limitHit
	sure   bool
}

// frame is one open bracket, string or heredoc.
type frame struct {
	kind byte   // { ( [ as written, $ interpolation, % control, " string, < heredoc
	end  []byte // of a heredoc
	ops  int
	ctl  int
}

// scanSource returns the cuts of src, and whether the scan is sure of itself.
func scanSource(src []byte, lim Limits) (cuts []cut, hit *limitHit, sure bool) {
	s := &scanner{src: src, lim: lim, line: 1, sure: true, frames: []frame{{}}}
	for s.pos < len(src) && s.sure && s.hit == nil {
		switch s.top().kind {
		case '"':
			s.inString()
		case '<':
			s.inHeredoc()
		default:
			s.inCode()
		}
	}
	return s.cuts, s.hit, s.sure && (s.hit != nil || len(s.frames) == 1)
}

func (s *scanner) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *scanner) push(kind byte) {
	s.frames = append(s.frames, frame{kind: kind})
	if len(s.frames)+s.ctl > s.lim.Nesting {
		s.hit = nestingHit(s.lim, s.pos)
	}
}

func (s *scanner) pop() {
	if len(s.frames) == 1 {
		s.sure = false
		return
	}
	s.ctl -= s.top().ctl
	s.frames = s.frames[:len(s.frames)-1]
}

func (s *scanner) inCode() {
	c := s.src[s.pos]
	switch c {
	case '\n':
		s.newline()
	case '#':
		s.lineComment()
	case '/':
		s.slash()
	case '"':
		s.push('"')
	case '{', '(', '[':
		s.operator()
		s.push(c)
	case '}':
		if k := s.top().kind; k != '{' && k != '$' && k != '%' {
			s.sure = false
			return
		}
		s.pop()
	case ')', ']':
		if s.top().kind != map[byte]byte{')': '(', ']': '['}[c] {
			s.sure = false
			return
		}
		s.pop()
	case ',':
		s.top().ops = 0
	case '<':
		if s.openHeredoc() {
			return
		}
		s.operator()
	case '+', '-', '*', '%', '>', '=', '!', '&', '|', '?', ':', '.':
		s.operator()
	case '\'', '`', ';', '\\':
		s.sure = false
	}
	s.pos++
}

func (s *scanner) operator() {
	f := s.top()
	f.ops++
	if f.ops > s.lim.Operators {
		s.hit = operatorHit(s.lim, s.pos)
	}
}

func (s *scanner) newline() {
	s.line++
	f := s.top()
	if f.kind == 0 || f.kind == '{' {
		f.ops = 0
	}
	if f.kind != 0 {
		return
	}
	last := 0
	if len(s.cuts) > 0 {
		last = s.cuts[len(s.cuts)-1].offset
	}
	if s.pos+1-last >= chunkBytes {
		s.cuts = append(s.cuts, cut{offset: s.pos + 1, line: s.line})
	}
}

func (s *scanner) lineComment() {
	i := bytes.IndexByte(s.src[s.pos:], '\n')
	if i < 0 {
		s.pos = len(s.src)
		return
	}
	s.pos += i - 1 // inCode steps on to the newline
}

func (s *scanner) slash() {
	rest := s.src[s.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		s.lineComment()
	case bytes.HasPrefix(rest, []byte("/*")):
		i := bytes.Index(rest[2:], []byte("*/"))
		if i < 0 {
			s.sure = false
			return
		}
		s.line += bytes.Count(rest[:i+4], []byte("\n"))
		s.pos += i + 3
	default:
		s.operator()
	}
}

// openHeredoc enters a heredoc if one starts here.
func (s *scanner) openHeredoc() bool {
	rest := s.src[s.pos:]
	if !bytes.HasPrefix(rest, []byte("<<")) {
		return false
	}
	eol := bytes.IndexByte(rest, '\n')
	if eol < 0 {
		s.sure = false
		return true
	}
	end := bytes.TrimRight(bytes.TrimPrefix(rest[2:eol], []byte("-")), "\r")
	if !hclsyntax.ValidIdentifier(string(end)) {
		s.sure = false
		return true
	}
	s.push('<')
	s.top().end = end
	s.pos += eol + 1
	s.line++
	return true
}

func (s *scanner) inHeredoc() {
	f := s.top()
	lineStart := s.pos == 0 || s.src[s.pos-1] == '\n'
	eol := bytes.IndexByte(s.src[s.pos:], '\n')
	if eol < 0 {
		s.sure = false
		return
	}
	if line := s.src[s.pos : s.pos+eol]; lineStart && bytes.Equal(bytes.TrimSpace(line), f.end) {
		s.pos += eol // the newline ends the attribute as well
		s.pop()
		return
	}
	for stop := s.pos + eol; s.pos < stop; {
		if s.template() {
			return
		}
	}
	s.line++
	s.pos++
}

func (s *scanner) inString() {
	switch s.src[s.pos] {
	case '"':
		s.pop()
		s.pos++
	case '\\':
		s.sure = s.pos+1 < len(s.src) && s.src[s.pos+1] != '\n'
		s.pos += 2
	case '\n':
		s.sure = false
	default:
		s.template()
	}
}

// template steps over one byte of a template, or enters ${ or %{ and returns true.
func (s *scanner) template() bool {
	c := s.src[s.pos]
	if c != '$' && c != '%' || s.pos+1 >= len(s.src) {
		s.pos++
		return false
	}
	switch s.src[s.pos+1] {
	case c:
		if s.pos+2 < len(s.src) && s.src[s.pos+2] == c {
			s.sure = false // $$${ could be read in two ways
		}
		s.pos += 2
		return false
	case '{':
		if c == '%' {
			s.control()
		}
		s.push(c)
		s.pos += 2
		return true
	}
	s.pos++
	return false
}

// control counts %{if} and %{for}, which nest without brackets.
func (s *scanner) control() {
	word := bytes.TrimLeft(s.src[s.pos+2:min(len(s.src), s.pos+40)], "~ \t\r\n")
	n := 0
	switch {
	case bytes.HasPrefix(word, []byte("end")):
		n = -1
	case bytes.HasPrefix(word, []byte("if")), bytes.HasPrefix(word, []byte("for")):
		n = 1
	case len(word) < 4:
		s.sure = false
	}
	s.top().ctl += n
	s.ctl += n
}

// scanTokens is the exact scan, on the lexer's own tokens.
func scanTokens(tokens hclsyntax.Tokens, lim Limits) *limitHit {
	type level struct {
		ops   int
		brace bool // newlines end expressions here
	}
	levels := []level{{brace: true}}
	ctl := 0
	for i, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			levels[len(levels)-1].ops++
			levels = append(levels, level{brace: t.Type == hclsyntax.TokenOBrace})
			if t.Type == hclsyntax.TokenTemplateControl && i+1 < len(tokens) {
				switch string(tokens[i+1].Bytes) {
				case "if", "for":
					ctl++
				}
			}
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			if len(levels) > 1 {
				levels = levels[:len(levels)-1]
			}
			if t.Type == hclsyntax.TokenTemplateSeqEnd && i > 0 && ctl > 0 {
				switch string(tokens[i-1].Bytes) {
				case "endif", "endfor":
					ctl--
				}
			}
		case hclsyntax.TokenComma:
			levels[len(levels)-1].ops = 0
		case hclsyntax.TokenNewline:
			if l := &levels[len(levels)-1]; l.brace {
				l.ops = 0
			}
		case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit,
			hclsyntax.TokenComment:
		default:
			levels[len(levels)-1].ops++
		}
		if len(levels)+ctl > lim.Nesting {
			return nestingHit(lim, t.Range.Start.Byte)
		}
		if levels[len(levels)-1].ops > lim.Operators {
			return operatorHit(lim, t.Range.Start.Byte)
		}
	}
	return nil
}

// scanExact lexes src as a config file and scans its tokens.
func scanExact(src []byte, lim Limits) *limitHit {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	return scanTokens(tokens, lim)
}

// scanTemplate scans a template's source: a file for templatefile, a string in JSON.
func scanTemplate(src []byte, lim Limits) *limitHit {
	tokens, _ := hclsyntax.LexTemplate(src, "", hcl.InitialPos)
	return scanTokens(tokens, lim)
}
