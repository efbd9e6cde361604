package main

import "github.com/novaplan/novaplan/planner/drift"

// Standing tells what the keeper of the moment has found; false when this member doesn't lead.
func (w *works) Standing() (drift.Standing, bool) {
	now, _ := w.seats.look()
	if now == nil {
		return drift.Standing{}, false
	}
	return now.Standing()
}
