package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
)

func (h *house) note(n int) {
	h.t.Helper()
	h.propose(state.Command{Note: &state.Note{Kind: "test", Message: strconv.Itoa(n)}})
}

var errEnough = errors.New("enough")

// TestEventsResume: whoever loses the connection again and again, while things happen, sees every event once and in
// order.
func TestEventsResume(t *testing.T) {
	h := newHouse(t)
	c := h.as(state.Viewer)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		after := h.rec.State().LastEvent
		begun := n
		rounds := rapid.IntRange(1, 5).Draw(rt, "rounds")
		var got []string
		for round := range rounds {
			before, during := rapid.IntRange(0, 4).Draw(rt, "before"), rapid.IntRange(0, 4).Draw(rt, "during")
			for range before {
				h.note(n)
				n++
			}
			read := rapid.IntRange(0, before+during).Draw(rt, "read")
			if round == rounds-1 {
				read = n + during - begun - len(got) // the last one reads all
			}
			go func(from int) {
				for i := range during {
					h.note(from + i)
				}
			}(n)
			n += during
			if read > 0 {
				left := read
				err := c.Events(t.Context(), after, false, func(e wire.HistoryEvent) error {
					if e.Seq != after+1 {
						rt.Fatalf("event %d after %d", e.Seq, after)
					}
					after = e.Seq
					got = append(got, e.Message)
					if left--; left == 0 {
						return errEnough
					}
					return nil
				}, nil)
				if !errors.Is(err, errEnough) {
					rt.Fatal(err)
				}
			}
			h.until("all is written", func(st state.State) bool { return h.written(st, n) })
		}
		for i, message := range got {
			if message != strconv.Itoa(begun+i) {
				rt.Fatalf("heard %v from %d on", got, begun)
			}
		}
		if len(got) != n-begun {
			rt.Fatalf("heard %d of %d", len(got), n-begun)
		}
	})
}

// written reports whether the test has written n notes.
func (h *house) written(st state.State, n int) bool {
	count := 0
	for _, e := range st.History.All() {
		if e.Kind == "test" {
			count++
		}
	}
	return count == n
}

// TestCompactedEvents: what is gone is said to be gone, never left out.
func TestCompactedEvents(t *testing.T) {
	h := newHouse(t)
	for n := 0; h.rec.State().OldestEvent() < 3; n++ {
		h.note(n)
	}
	oldest := h.rec.State().OldestEvent()
	status, body := h.raw(state.Viewer, http.MethodGet, "/v1/events?index=1", nil, nil)
	if status != http.StatusGone {
		t.Errorf("%d %s", status, body)
	}
	err := h.as(state.Viewer).Events(t.Context(), oldest-2, false, nil, nil)
	if api.AsError(err).Code != api.CodeCompacted {
		t.Errorf("from the last that is gone: %v", err)
	}
	err = h.as(state.Viewer).Events(t.Context(), oldest-1, false, func(e wire.HistoryEvent) error {
		if e.Seq != oldest {
			t.Errorf("the first is %d, want %d", e.Seq, oldest)
		}
		return errEnough
	}, nil)
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if status, _ := h.raw(state.Viewer, http.MethodGet, "/v1/events?index=x", nil, nil); status != http.StatusBadRequest {
		t.Errorf("no number: %d", status)
	}
}

// TestBlockingQueries wait for what is newer than what is known, and no longer than they were told.
func TestBlockingQueries(t *testing.T) {
	h := newHouse(t)
	index := h.rec.State().Index
	ask := func(query string) (uint64, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+"/v1/history?limit=1&"+query, nil)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		req.Header.Set("Authorization", "Bearer "+h.tokens[state.Viewer])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		n, _ := strconv.ParseUint(resp.Header.Get(api.IndexHeader), 10, 64)
		return n, resp.Status
	}
	if got, status := ask(""); got != index {
		t.Errorf("at once: %d, %s, want %d", got, status, index)
	}
	if got, status := ask(fmt.Sprintf("index=%d&wait=1ms", index)); got != index {
		t.Errorf("nothing new: %d, %s", got, status)
	}
	for range 20 { // whichever comes first, the question or the news
		index := h.rec.State().Index
		answered := make(chan uint64)
		go func() {
			got, _ := ask(fmt.Sprintf("index=%d", index))
			answered <- got
		}()
		h.note(1)
		if got := <-answered; got <= index {
			t.Fatalf("something new: %d, want more than %d", got, index)
		}
	}
}
