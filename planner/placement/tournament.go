package placement

// tournament is a tree of matches between neighbouring positions: the winner weighs more, and of
// equals the left one, which comes first in the spec, wins.
type tournament struct {
	built bool
	size  int     // leaves, a power of two
	node  []int32 // winning position below each node, -1 for none; node[1] is the root
}

func (t *tournament) winner() int { return int(t.node[1]) }

func (t *tournament) build(passes []bool, weight []float64) {
	t.size = 1
	for t.size < len(passes) {
		t.size *= 2
	}
	if len(t.node) != 2*t.size {
		t.node = make([]int32, 2*t.size)
	}
	for p := range t.size {
		t.node[t.size+p] = -1
		if p < len(passes) && passes[p] {
			t.node[t.size+p] = int32(p)
		}
	}
	for n := t.size - 1; n > 0; n-- {
		t.node[n] = match(t.node[2*n], t.node[2*n+1], weight)
	}
	t.built = true
}

// update plays the matches above position p again.
func (t *tournament) update(p int, passes []bool, weight []float64) {
	n := t.size + p
	t.node[n] = -1
	if passes[p] {
		t.node[n] = int32(p)
	}
	for n /= 2; n > 0; n /= 2 {
		t.node[n] = match(t.node[2*n], t.node[2*n+1], weight)
	}
}

func match(left, right int32, weight []float64) int32 {
	switch {
	case left < 0:
		return right
	case right < 0 || weight[left] >= weight[right]:
		return left
	}
	return right
}
