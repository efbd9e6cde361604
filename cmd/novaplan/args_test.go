package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLongFlagsMayHaveOneDash(t *testing.T) {
	got := doubleDashes(strings.Fields("plan -out=x --json -o wide -owide -h - -var a=-b -- -out"))
	want := strings.Fields("plan --out=x --json -o wide -owide -h - --var a=-b -- -out")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestQuotesThatAShellTook(t *testing.T) {
	for in, want := range map[string]string{
		`instance.db[standby]`:   `instance.db["standby"]`,
		`instance.db["standby"]`: `instance.db["standby"]`,
		`instance.web[2]`:        `instance.web[2]`,
		`instance.web`:           `instance.web`,
		`instance.web[]`:         `instance.web[]`,
	} {
		if got := requote(in); got != want {
			t.Errorf("requote(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestEscapesOfTheConsole(t *testing.T) {
	for typed, want := range map[string]struct {
		sent string
		left bool
	}{
		"ls\r":          {"ls\r", false},
		"a\x1db":        {"a", true},
		"~.":            {"", true},
		"x~.":           {"x~.", false},
		"x\r~.":         {"x\r", true},
		"~~.":           {"~.", false},
		"~a":            {"~a", false},
		"\r\n~\r\n~.no": {"\r\n~\r\n", true},
	} {
		e := escapes{begin: true}
		var sent strings.Builder
		left := false
		for _, ch := range []byte(typed) { // one key at a time
			out, gone := e.filter([]byte{ch})
			sent.Write(out)
			if left = gone; left {
				break
			}
		}
		if sent.String() != want.sent || left != want.left {
			t.Errorf("typed %q: sent %q, left %v; want %q, %v", typed, sent.String(), left, want.sent, want.left)
		}
	}
}

func TestNoPanicReachesAUser(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out strings.Builder
	c := &console{In: strings.NewReader(""), Out: panics{}, Err: &out}
	if code := run(t.Context(), []string{"version"}, c); code != exitError || !strings.Contains(out.String(), "this is a bug of novaplan") {
		t.Errorf("exit code %d, said %q", code, out.String())
	}
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("told to") }
