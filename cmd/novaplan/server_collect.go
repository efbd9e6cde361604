package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// serverCollector reads the record and the cluster for each scrape.
type serverCollector struct{ s *server }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(metricsPrefix+name, help, labels, nil)
}

// The descriptions of what is looked up; they never change.
var (
	descBuild       = gauge("build_info", "Always 1; what runs here.", "version", "commit", "member")
	descLeader      = gauge("leader", "Whether this member leads.")
	descTerm        = gauge("raft_term", "Raft term of the newest command.")
	descIndex       = gauge("raft_applied_index", "Log index of the newest command that this member has applied.")
	descMember      = gauge("member_healthy", "Whether a member is healthy, as this one knows it.", "member")
	descVoter       = gauge("member_voter", "Whether a member votes.", "member")
	descContact     = gauge("member_last_contact_seconds", "Since a member was heard from; -1: never.", "member")
	descMemberIndex = gauge("member_applied_index", "Log index of the newest command that a member has applied, as this one knows it.", "member")
	descRevision    = gauge("revision", "Revision of the spec in force.")
	descHosts       = gauge("hosts", "Hosts in the spec, by mode.", "mode")
	descClaimed     = gauge("host_claimed", "Whether our claim was read back on a host.", "host")
	descFailed      = gauge("host_failed_builds", "Failed creates on a host since the last one that worked.", "host")
	descHostUse     = gauge("host_used", "What instances and operations under way take of a host.", "host", "resource")
	descInstances   = gauge("instances", "Instances in the record, by phase.", "phase")
	descOperations  = gauge("operations", "Operations in the record that haven't ended, by action and phase.", "action", "phase")
	descQueueAge    = gauge("operation_oldest_seconds", "Age of the oldest operation that hasn't ended; 0: there is none.")
	descPending     = gauge("plans_waiting", "Plans that wait for approval.")
	descTrash       = gauge("trash", "Deleted instances whose disks are still kept.")
	descDrift       = gauge("drift", "Differences from the record that have lasted, by kind and what is done about them.", "kind", "policy")
	descCutOff      = gauge("cut_off", "Whether so many hosts are silent that this member takes itself for the one cut off.")
	descConns       = prometheus.NewDesc(metricsPrefix+"port_connections_total", "Connections to the port, by what became of them.", []string{"result"}, nil)
	descHalfOpen    = gauge("port_half_open", "Connections that haven't said what they want yet.")
	descFolder      = gauge("spec_dir_refused", "Whether what spec_dir says is refused, so that an earlier spec stays in force.")
	descRefusals    = prometheus.NewDesc(metricsPrefix+"spec_dir_refusals_total", "Times that what spec_dir says was refused.", nil, nil)
	descFolderGood  = gauge("spec_dir_good_timestamp_seconds", "When spec_dir was without mistakes last, as Unix time.")
	descCertificate = gauge("certificate_expiry_timestamp_seconds", "When this server's certificate ends, as Unix time.")
)

// Describe is empty: what there is depends on the fleet.
func (c *serverCollector) Describe(chan<- *prometheus.Desc) {}

// Collect looks everything up.
func (c *serverCollector) Collect(out chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	set(descBuild, 1, version, commit, c.s.conf.Name)
	c.cluster(set)
	st := c.s.node.State()
	set(descRevision, float64(st.Revision))
	set(descTrash, float64(st.Trash.Len()))
	set(descPending, float64(st.Plans.Len()))
	c.hosts(st, set)
	c.instances(st, set)
	c.operations(st, set)
	c.drift(set)
	stats := c.s.port.Stats()
	for result, n := range map[string]uint64{"accepted": stats.Accepted, "failed": stats.Failed, "refused": stats.Refused} {
		out <- prometheus.MustNewConstMetric(descConns, prometheus.CounterValue, float64(n), result)
	}
	set(descHalfOpen, float64(stats.HalfOpen))
	if f := c.s.folderState(); f != nil {
		set(descFolder, flag(f.Problem != ""))
		out <- prometheus.MustNewConstMetric(descRefusals, prometheus.CounterValue, float64(f.Refused))
		if !f.Good.IsZero() {
			set(descFolderGood, float64(f.Good.Unix()))
		}
	}
	if c.s.keeper != nil {
		set(descCertificate, float64(c.s.keeper.Expires().Unix()))
	}
}

type setter func(d *prometheus.Desc, v float64, labels ...string)

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (c *serverCollector) cluster(set setter) {
	st := c.s.node.State()
	set(descLeader, flag(c.s.node.Term() != 0))
	set(descTerm, float64(st.Term))
	set(descIndex, float64(st.Index))
	known, err := c.s.node.Members(context.Background())
	if err != nil {
		return
	}
	for _, m := range known {
		set(descMember, flag(m.Healthy), m.ID)
		set(descVoter, flag(m.Voter), m.ID)
		set(descMemberIndex, float64(m.Applied), m.ID)
		contact := m.LastContact.Seconds()
		if m.LastContact < 0 {
			contact = -1
		}
		set(descContact, contact, m.ID)
	}
}

func (c *serverCollector) hosts(st state.State, set setter) {
	names := map[spec.Address]string{}
	modes := map[spec.Mode]int{}
	if st.Desired != nil {
		for i := range st.Desired.Spec.Hosts {
			h := &st.Desired.Spec.Hosts[i]
			names[h.Address] = h.Name
			modes[h.Mode]++
		}
	}
	for mode, n := range modes {
		set(descHosts, float64(n), string(mode))
	}
	for _, h := range st.Hosts.All() {
		name := names[h.Address]
		if name == "" {
			continue // it left the spec
		}
		set(descClaimed, flag(h.Claimed), name)
		set(descFailed, float64(h.FailedBuilds), name)
		set(descHostUse, float64(h.Used.Instances), name, "instances")
		set(descHostUse, float64(h.Used.VCPUs), name, "vcpus")
		set(descHostUse, float64(h.Used.MemoryMiB)*(1<<20), name, "memory_bytes")
		set(descHostUse, float64(h.Used.DiskMiB)*(1<<20), name, "disk_bytes")
	}
}

func (c *serverCollector) instances(st state.State, set setter) {
	phases := map[string]int{}
	for _, i := range st.Instances.All() {
		phases[string(i.Phase)]++
	}
	for phase, n := range phases {
		set(descInstances, float64(n), phase)
	}
}

func (c *serverCollector) operations(st state.State, set setter) {
	type kind struct{ action, phase string }
	open := map[kind]int{}
	var oldest time.Time
	for _, o := range st.Operations.All() {
		if o.Phase.Final() {
			continue
		}
		open[kind{string(o.Action), string(o.Phase)}]++
		if oldest.IsZero() || o.Approved.Before(oldest) {
			oldest = o.Approved
		}
	}
	for k, n := range open {
		set(descOperations, float64(n), k.action, k.phase)
	}
	age := 0.0
	if !oldest.IsZero() {
		age = max(time.Since(oldest).Seconds(), 0)
	}
	set(descQueueAge, age)
}

// drift is what the keeper of a leader has found.
func (c *serverCollector) drift(set setter) {
	held, _ := c.s.seats.look()
	if held == nil {
		return
	}
	standing, ok := held.Standing()
	if !ok {
		return
	}
	set(descCutOff, flag(standing.CutOff != ""))
	type kind struct{ kind, policy string }
	counts := map[kind]int{}
	for i := range standing.Reports {
		counts[kind{string(standing.Reports[i].Kind), string(standing.Reports[i].Policy)}]++
	}
	for k, n := range counts {
		set(descDrift, float64(n), k.kind, k.policy)
	}
}
