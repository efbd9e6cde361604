package labtest

// StopLibvirtd ends the host's libvirtd as a restart of the service would; its guests go on.
func (l *Lab) StopLibvirtd(host string) { l.t.Helper(); l.do("stop-host", host) }

// CrashLibvirtd kills the host's libvirtd with SIGKILL; its guests go on.
func (l *Lab) CrashLibvirtd(host string) { l.t.Helper(); l.do("stop-host", host, "-9") }

// StartLibvirtd starts the host's libvirtd and returns when it answers. A host killed by KillHost boots: its
// link is up again, its guests are off.
func (l *Lab) StartLibvirtd(host string) { l.t.Helper(); l.do("start-host", host) }

// PauseLibvirtd makes the host's libvirtd hang (SIGSTOP): it takes connections and answers nothing.
func (l *Lab) PauseLibvirtd(host string) { l.t.Helper(); l.do("pause-libvirtd", host) }

// ResumeLibvirtd lets a hanging libvirtd go on; what it was sent in the meantime it does now.
func (l *Lab) ResumeLibvirtd(host string) { l.t.Helper(); l.do("resume-libvirtd", host) }

// KillHost takes the host's power away: libvirtd and guests are killed, the link is down, /run is lost.
func (l *Lab) KillHost(host string) { l.t.Helper(); l.do("kill-host", host) }

// Cut takes the host and its guests off the network; both go on.
func (l *Lab) Cut(host string) { l.t.Helper(); l.do("cut", host) }

// Join undoes Cut.
func (l *Lab) Join(host string) { l.t.Helper(); l.do("join", host) }

// Mend undoes every fault: hosts are joined, their libvirtds run and answer. Guests and storage stay as they are.
func (l *Lab) Mend() {
	l.t.Helper()
	for _, h := range l.Hosts {
		l.do("join", h.Name)
		// An error means that no libvirtd runs, and start-host sees to that.
		_, _ = l.Do(l.t.Context(), "resume-libvirtd", h.Name)
		l.do("start-host", h.Name)
	}
}

// Virsh runs virsh on a host, over its socket, and returns what it printed; a failure ends the test.
func (l *Lab) Virsh(host string, args ...string) string {
	l.t.Helper()
	out, err := l.TryVirsh(host, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// TryVirsh is Virsh for when a failure is what the test is about.
func (l *Lab) TryVirsh(host string, args ...string) (string, error) {
	return l.Do(l.t.Context(), "virsh", append([]string{host, "-q"}, args...)...)
}
