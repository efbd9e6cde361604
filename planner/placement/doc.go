// Package placement picks hosts: filters remove the ones that can't take an instance, weighers rank
// the rest, and every rejection keeps its sentence. One filter or weigher a file, as in Nova.
package placement
