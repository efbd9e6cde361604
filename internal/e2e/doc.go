// Package e2e proves novaplan's whole way on real libvirt hosts with guests that boot: its tests build the
// program, run it as a person would, and look at what the hosts and the guests' serial ports say.
//
// Each test has a lab of its own (package labtest): three hosts that nothing was done to. All of them need root
// and carry the build tag lab:
//
//	go test -tags lab ./internal/e2e
package e2e
