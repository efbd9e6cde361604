package client

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

func TestMessages(t *testing.T) {
	type heard struct{ Name, ID, Data string }
	for name, tc := range map[string]struct {
		body string
		want []heard
		end  error
	}{
		"two":        {"event: history\nid: 7\ndata: {}\n\nevent: x\ndata: 1\n\n", []heard{{"history", "7", "{}"}, {"x", "", "1"}}, io.EOF},
		"comments":   {": \n\n: still here\n\ndata: 1\n\n", []heard{{"", "", "1"}}, io.EOF},
		"CRLF":       {"id: 1\r\ndata: 2\r\n\r\n", []heard{{"", "1", "2"}}, io.EOF},
		"no space":   {"id:1\ndata:2\n\n", []heard{{"", "1", "2"}}, io.EOF},
		"cut off":    {"data: 1\n\ndata: half", []heard{{"", "", "1"}}, io.EOF},
		"in between": {"data: 1\n", nil, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			var got []heard
			err := messages(strings.NewReader(tc.body), func(m message) error {
				got = append(got, heard{m.name, m.id, string(m.data)})
				return nil
			})
			if diff := cmp.Diff(tc.want, got); diff != "" || !errors.Is(err, tc.end) {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// TestACutStreamIsHeardUpToTheCut: whatever was cut off in the middle is not taken for an event.
func TestACutStreamIsHeardUpToTheCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 5).Draw(t, "events")
		body := strings.Repeat("id: 5\ndata: payload\n\n", n)
		cut := rapid.IntRange(0, len(body)).Draw(t, "cut")
		heard := 0
		_ = messages(strings.NewReader(body[:cut]), func(m message) error {
			heard++
			if string(m.data) != "payload" {
				t.Fatalf("half an event: %q", m.data)
			}
			return nil
		})
		if want := strings.Count(body[:cut], "\n\n"); heard != want {
			t.Fatalf("heard %d, want %d", heard, want)
		}
	})
}

func TestRemoteRefusesWhatIsNotSafe(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		r    Remote
		want string
	}{
		"plain text":     {Remote{Addresses: []string{"http://10.0.0.1:7461"}}, "use https"},
		"a lookalike":    {Remote{Addresses: []string{"http://127.0.0.1.example.org"}}, "use https"},
		"another scheme": {Remote{Addresses: []string{"ftp://x"}}, "want https://"},
		"nothing":        {Remote{}, "no address"},
		"no CA":          {Remote{Addresses: []string{"x:1"}, CACert: empty}, "holds none"},
		"no key":         {Remote{Addresses: []string{"x:1"}, ClientCert: empty}, "client certificate"},
	} {
		if _, err := tc.r.Open(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := Remote{Addresses: []string{"n1:7461", "https://n2:7461/", "data/sock", "http://localhost:1", "http://[::1]:2"}}.Open()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"https://n1:7461", "https://n2:7461", "http://socket-2.invalid", "http://localhost:1", "http://[::1]:2"}
	if diff := cmp.Diff(want, c.bases.inTurn()); diff != "" {
		t.Error(diff)
	}
	c.bases.answered("https://n2:7461")
	if got := c.bases.inTurn(); got[0] != "https://n2:7461" || len(got) != len(want) {
		t.Errorf("after n2 answered: %v", got)
	}
}

func TestWhatAnotherMemberMayAnswer(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{&unheard{io.EOF}, true}, {&wire.Error{Code: "no-leader"}, true}, {&wire.Error{Code: "unavailable"}, true},
		{&wire.Error{Code: "stale"}, false}, {errors.New("x"), false},
	} {
		if got := elsewhere(tc.err); got != tc.want {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
}
