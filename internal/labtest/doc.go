// Package labtest lets Go tests use the lab (examples/lab): several real libvirt hosts on this machine, with
// guests that boot, and commands that make hosts hang, die and lose their network.
//
//	func TestSomething(t *testing.T) {
//		lab := labtest.Up(t, 3)                 // gone again when the test ends, even by kill -9
//		host := lab.Host("kvm1")                // host.URI, host.Socket, host.Local.Outside, ...
//		lab.PauseLibvirtd("kvm1")
//		line, err := lab.Serial("kvm2", domain).WaitLine(ctx, regexp.MustCompile(`count=\d+`))
//	}
//
// A lab is up in half a second, so a test of its own is the rule; Shared is for packages whose tests only look.
// Tests that use this package need root and carry the build tag lab. Methods of Lab end the test when they fail
// and, like t.Fatal, belong in the test's own goroutine; others use Do.
package labtest
