package operation

import "sync"

// baselines remembers CPU baselines: they are the same for every instance of one revision, and a
// fleet has many hosts to compare.
type baselines struct {
	mu    sync.Mutex
	known map[baselineKey]string
}

type baselineKey struct {
	arch, cpu string
	revision  uint64
}

// get returns the baseline of a key, computed once.
func (b *baselines) get(key baselineKey, compute func() (string, error)) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cpu, ok := b.known[key]; ok {
		return cpu, nil
	}
	cpu, err := compute()
	if err != nil {
		return "", err
	}
	if b.known == nil || len(b.known) > 1000 {
		b.known = map[baselineKey]string{}
	}
	b.known[key] = cpu
	return cpu, nil
}
