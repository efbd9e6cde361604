package labtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is one lab for all tests of a package. It comes up when the first test asks for it.
//
//	var lab = labtest.Shared{Hosts: 3}
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
//	func TestSomething(t *testing.T) { lab := lab.Get(t); ... }
//
// What tests leave on the hosts (domains, files, secrets) stays there for the next; tests that can't live with
// that use Up.
type Shared struct {
	Hosts int // how many, 1 to 80

	mu  sync.Mutex
	lab *Lab
}

// Main runs the package's tests and takes the lab down after them; it returns the exit code.
func (s *Shared) Main(m *testing.M) int {
	code := m.Run()
	if s.lab == nil {
		return code
	}
	if err := down(s.lab.Name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Get returns the lab, every fault of an earlier test undone.
func (s *Shared) Get(t testing.TB) *Lab {
	t.Helper()
	lab, err := s.up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bound := *lab
	bound.t = t
	bound.Mend()
	return &bound
}

func (s *Shared) up(ctx context.Context) (*Lab, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lab != nil {
		return s.lab, nil
	}
	name := newName()
	lab, err := up(ctx, name, s.Hosts)
	if err != nil {
		return nil, fmt.Errorf("%w (down: %v)", err, down(name))
	}
	s.lab = lab
	return lab, nil
}
