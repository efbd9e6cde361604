package state

import (
	"iter"

	iradix "github.com/hashicorp/go-immutable-radix/v2"
)

// Map is a persistent map with keys in byte order. The zero value is empty; changing one makes a new
// one that shares structure with it.
type Map[V any] struct {
	tree *iradix.Tree[V]
}

// Get returns the value of key and whether there is one.
func (m Map[V]) Get(key string) (V, bool) {
	if m.tree == nil {
		var zero V
		return zero, false
	}
	return m.tree.Get([]byte(key))
}

// Len returns the number of keys.
func (m Map[V]) Len() int {
	if m.tree == nil {
		return 0
	}
	return m.tree.Len()
}

// With returns m with key set to v.
func (m Map[V]) With(key string, v V) Map[V] {
	t, _, _ := m.treeOrNew().Insert([]byte(key), v)
	return Map[V]{t}
}

// Without returns m without key.
func (m Map[V]) Without(key string) Map[V] {
	if m.tree == nil {
		return m
	}
	t, _, _ := m.tree.Delete([]byte(key))
	return Map[V]{t}
}

// put sets key to v, or removes it.
func (m Map[V]) put(key string, v V, present bool) Map[V] {
	if present {
		return m.With(key, v)
	}
	return m.Without(key)
}

// first returns the smallest key and its value; the map must not be empty.
func (m Map[V]) first() (string, V) {
	key, v, _ := m.tree.Root().Minimum()
	return string(key), v
}

// from yields keys and values in key order, beginning with the first key that isn't smaller than start.
func (m Map[V]) from(start string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		if m.tree == nil {
			return
		}
		it := m.tree.Root().Iterator()
		it.SeekLowerBound([]byte(start))
		for key, v, ok := it.Next(); ok; key, v, ok = it.Next() {
			if !yield(string(key), v) {
				return
			}
		}
	}
}

// All yields keys and values in key order.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		if m.tree == nil {
			return
		}
		m.tree.Root().Walk(func(k []byte, v V) bool { return !yield(string(k), v) })
	}
}

// Prefix yields keys and values in key order, of the keys that begin with prefix.
func (m Map[V]) Prefix(prefix string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		if m.tree == nil {
			return
		}
		m.tree.Root().WalkPrefix([]byte(prefix), func(k []byte, v V) bool { return !yield(string(k), v) })
	}
}

// Edit applies many changes at the price of few: put and remove are only valid inside the call.
func (m Map[V]) Edit(change func(put func(key string, v V), remove func(key string))) Map[V] {
	txn := m.treeOrNew().Txn()
	change(func(k string, v V) { txn.Insert([]byte(k), v) }, func(k string) { txn.Delete([]byte(k)) })
	return Map[V]{txn.Commit()}
}

func (m Map[V]) treeOrNew() *iradix.Tree[V] {
	if m.tree == nil {
		return iradix.New[V]()
	}
	return m.tree
}
