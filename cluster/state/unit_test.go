package state

import (
	"testing"

	"github.com/novaplan/novaplan/spec"
)

// unitMove is a migrate that is part of moving the group.
func unitMove(id string, instance, from, to spec.Address) Operation {
	op := migrates(id, instance, from, to)
	op.Unit, op.Size = "server_group.g", small
	return op
}

// splittable is a group of three on h0.
func splittable(t *testing.T, split bool) *machine {
	s := grouped(3, 3, spec.Affinity)
	s.Groups[0].SplitWhileMoving = split
	m := ready(t, s)
	m.approve(nil, creates("1", web0, h0), creates("2", web1, h0), creates("3", web2, h0))
	for _, id := range []string{"1", "2", "3"} {
		m.run(id)
	}
	return m
}

func TestAGroupIsSplitOnlyWhileAllOfItMoves(t *testing.T) {
	m := splittable(t, true)
	m.approve(nil, unitMove("a", web0, h0, h1), unitMove("b", web1, h0, h1))
	m.refused(GroupPolicy, start("a")) // web2 would stay
	m.approve(nil, unitMove("c", web2, h0, h2))
	m.refused(GroupPolicy, start("a")) // web2 goes elsewhere
	m.approve(nil, unitMove("d", web2, h0, h1), migrates("e", web2, h0, h1))
	m.must(start("a"))
	m.refused(GroupPolicy, start("c")) // a third host
	m.refused(GroupPolicy, start("e")) // not part of the move
	m.must(finish("a", ""))
	m.must(start("b"))
	m.must(finish("b", "broke"))
	m.must(start("d")) // the split is there: who joins the others mends it
	m.must(finish("d", ""))
	m.approve(nil, unitMove("f", web1, h0, h1))
	m.run("f")
	for _, a := range []spec.Address{web0, web1, web2} {
		if in, _ := m.st.Instances.Get(string(a)); in.Host != h1 {
			t.Errorf("%s is on %s", a, in.Host)
		}
	}
}

func TestASplitThatTheSpecDoesNotAllow(t *testing.T) {
	m := splittable(t, false)
	all := []Operation{unitMove("a", web0, h0, h1), unitMove("b", web1, h0, h1), unitMove("c", web2, h0, h1)}
	m.approve(nil, all...)
	m.refused(GroupPolicy, start("a"))
	m.approve(nil, acts("x", Stop, web0), acts("y", Stop, web1), acts("z", Stop, web2))
	m.run("x")
	m.run("y")
	m.refused(GroupPolicy, start("a")) // one of them runs
	m.run("z")
	for _, op := range all {
		m.run(op.ID)
	}
}

func TestAMoveOfAGroupHasNoOtherTarget(t *testing.T) {
	m := splittable(t, true)
	m.approve(nil, unitMove("a", web0, h0, h1), unitMove("b", web1, h0, h1), unitMove("c", web2, h0, h1))
	m.must(start("a"))
	m.refused(GroupPolicy, Command{Retarget: &Retarget{Operation: "a", Epoch: 1, To: h2, Error: "broke"}})
}
