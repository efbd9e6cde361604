package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestListenSaysThatNothingCame: a guest that is silent is told from a console that doesn't work.
func TestListenSaysThatNothingCame(t *testing.T) {
	for _, tt := range []struct{ name, said, note string }{
		{"silent", "", "instance.web said nothing on its serial port within 4s"},
		{"speaking", "login: ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, guest := net.Pipe()
				var out, notes bytes.Buffer
				c := &console{Out: &out, Err: &notes}
				go func() { _, _ = guest.Write([]byte(tt.said)) }()
				if err := c.listen(t.Context(), "instance.web", ours, 4*time.Second); err != nil {
					t.Fatal(err)
				}
				guest.Close()
				if out.String() != tt.said {
					t.Errorf("printed %q, want %q", out.String(), tt.said)
				}
				if tt.note == "" && notes.Len() > 0 || !strings.Contains(notes.String(), tt.note) {
					t.Errorf("said %q, want %q", notes.String(), tt.note)
				}
			})
		})
	}
}
