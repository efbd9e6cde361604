package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// fleet answers questions about the hosts of a plan.
type fleet struct {
	hosts []wire.PlanHost
	at    map[string]int
}

func newFleet(hosts []wire.PlanHost) *fleet {
	f := &fleet{hosts: hosts, at: make(map[string]int, len(hosts))}
	for i := range hosts {
		f.at[hosts[i].Address] = i
	}
	return f
}

// name returns what people call a host.
func (f *fleet) name(address string) string {
	if i, ok := f.at[address]; ok && f.hosts[i].Name != "" {
		return f.hosts[i].Name
	}
	if _, key := split(address); key != "" {
		return bare(key)
	}
	return strings.TrimPrefix(address, "host.")
}

// fewRows is how many instances are placed one by one before their hosts are counted instead.
const fewRows = 4

// places says where a group's instances go: "primary on a2, standby on b2", or counted per zone:
// "az1 19: a1 x4 a2-a6 x3   az2 19: b1 x4 b2-b6 x3".
func (f *fleet) places(rows []*wire.Change) string {
	if len(rows) == 1 {
		return "on " + f.name(rows[0].To)
	}
	if len(rows) <= fewRows {
		parts := make([]string, len(rows))
		for i, c := range rows {
			_, key := split(c.Address)
			parts[i] = bare(key) + " on " + f.name(c.To)
		}
		return strings.Join(parts, ", ")
	}
	counts := make([]int, len(f.hosts))
	for _, c := range rows {
		if i, ok := f.at[c.To]; ok {
			counts[i]++
		}
	}
	return f.byZone(counts)
}

// byZone writes the zones in the order of their first host.
func (f *fleet) byZone(counts []int) string {
	var order []string
	members := map[string][]int{}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		zone := f.hosts[i].Zone
		if members[zone] == nil {
			order = append(order, zone)
		}
		members[zone] = append(members[zone], i)
	}
	if len(order) > fewZones {
		return fmt.Sprintf("%s, %s", Count(len(order), "zone"), f.each(counts))
	}
	parts := make([]string, len(order))
	for i, zone := range order {
		total := 0
		for _, h := range members[zone] {
			total += counts[h]
		}
		parts[i] = f.spread(members[zone], counts)
		if zone != "" && len(order) > 1 {
			parts[i] = fmt.Sprintf("%s %d: %s", zone, total, parts[i])
		}
	}
	return strings.Join(parts, "   ")
}

// fewZones is how many zones are written one by one before only their number is given.
const fewZones = 4

// each writes how many hosts take how many: "100 hosts, 6 to 14 each".
func (f *fleet) each(counts []int) string {
	hosts, least, most := 0, 0, 0
	for _, n := range counts {
		if n == 0 {
			continue
		}
		if hosts++; hosts == 1 {
			least = n
		}
		least, most = min(least, n), max(most, n)
	}
	if least == most {
		return fmt.Sprintf("%s, %d each", Count(hosts, "host"), most)
	}
	return fmt.Sprintf("%s, %d to %d each", Count(hosts, "host"), least, most)
}

// fewRuns is how many runs of hosts are named before only their number is given.
const fewRuns = 8

// run is neighbouring hosts that take equally many.
type run struct {
	first, last, hosts, each int
}

func (f *fleet) spread(hosts, counts []int) string {
	var runs []run
	least, most := counts[hosts[0]], counts[hosts[0]]
	for _, h := range hosts {
		n := counts[h]
		least, most = min(least, n), max(most, n)
		if last := len(runs) - 1; last >= 0 && runs[last].each == n && follows(f.hosts[runs[last].last].Name, f.hosts[h].Name) {
			runs[last].last = h
			runs[last].hosts++
			continue
		}
		runs = append(runs, run{h, h, 1, n})
	}
	if len(runs) > fewRuns {
		if least == most {
			return fmt.Sprintf("%s, %d each", Count(len(hosts), "host"), most)
		}
		return fmt.Sprintf("%s, %d to %d each", Count(len(hosts), "host"), least, most)
	}
	parts := make([]string, len(runs))
	for i, r := range runs {
		parts[i] = f.hosts[r.first].Name
		if r.hosts > 1 {
			parts[i] += "-" + f.hosts[r.last].Name
		}
		if r.each > 1 {
			parts[i] += " x" + strconv.Itoa(r.each)
		}
	}
	return strings.Join(parts, " ")
}

// follows reports whether b is a's name with the next number: a2 after a1.
func follows(a, b string) bool {
	prefixA, n, okA := numbered(a)
	prefixB, m, okB := numbered(b)
	return okA && okB && prefixA == prefixB && m == n+1
}

func numbered(name string) (prefix string, n int, ok bool) {
	digits := len(name)
	for digits > 0 && name[digits-1] >= '0' && name[digits-1] <= '9' {
		digits--
	}
	n, err := strconv.Atoi(name[digits:])
	return name[:digits], n, err == nil
}
