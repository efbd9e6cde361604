// Package deps holds the import policy of novaplan as a test: which room may import which. It parses
// every file in process, so that a cached result never hides a broken rule. Change the policy with the
// house, never to make a build pass.
package deps
