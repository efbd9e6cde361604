package state

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/spec"
)

// putChunk stores data that is what its digest says.
func (t *transition) putChunk(c *PutChunk) *Refusal {
	if len(c.Data) > MaxChunk {
		return refuse(Invalid, "chunk %.12s has %d bytes, the most is %d", c.Digest, len(c.Data), MaxChunk)
	}
	if c.Digest != digestOf(c.Data) {
		return refuse(Invalid, "chunk %.12s is not what its digest says", c.Digest)
	}
	if _, ok := t.Chunks.Get(c.Digest); !ok {
		t.Chunks = t.Chunks.With(c.Digest, &Chunk{Digest: c.Digest, Data: c.Data})
	}
	return nil
}

// approve is the one command that changes what is wanted.
func (t *transition) approve(c *Approve) (refused *Refusal) {
	if t.first, refused = t.again(c); refused != nil || t.first != nil {
		return refused
	}
	if c.Base != t.Revision {
		return refuse(Stale, "the plan was made for revision %d, revision %d is in force", c.Base, t.Revision)
	}
	ops, refused := t.gather(c)
	if refused != nil {
		return refused
	}
	if refused := t.cancelFor(c); refused != nil {
		return refused
	}
	if c.Manifest != nil {
		if refused := t.adopt(c); refused != nil {
			return refused
		}
	}
	if refused := t.fulfil(c); refused != nil {
		return refused
	}
	if c.Manifest != nil && t.Level >= LevelServed {
		t.supersede(c.Stack, fmt.Sprintf("revision %d", t.Revision))
	}
	t.Approvals++
	t.forgetFinished()
	if refused := t.addPending(c, ops); refused != nil {
		return refused
	}
	t.collectChunks(c)
	t.remember(c)
	t.event(Event{Kind: "revision", By: c.By, Request: c.Request, From: c.From,
		Message: fmt.Sprintf("revision %d, %d operations approved, %d withdrawn", t.Revision, len(ops), len(c.Cancel))})
	return nil
}

// gather collects the operations, from chunks too.
func (t *transition) gather(c *Approve) ([]Operation, *Refusal) {
	var ops []Operation
	if len(c.OperationChunks) > 0 {
		chunks, refused := t.chunks(c.OperationChunks)
		if refused != nil {
			return nil, refused
		}
		decoded, err := DecodeOperations(chunks...)
		if err != nil {
			return nil, refuse(Invalid, "operations: %v", err)
		}
		ops = decoded
	}
	return append(ops, c.Operations...), nil
}

func (t *transition) chunks(digests []string) ([]Chunk, *Refusal) {
	chunks := make([]Chunk, 0, len(digests))
	for _, d := range digests {
		chunk, ok := t.Chunks.Get(d)
		if !ok {
			return nil, refuse(Unknown, "chunk %.12s was not put before", d)
		}
		chunks = append(chunks, *chunk)
	}
	return chunks, nil
}

// cancelFor withdraws what the new plan replaces; one that began since makes the plan stale.
func (t *transition) cancelFor(c *Approve) *Refusal {
	for _, id := range c.Cancel {
		op, ok := t.Operations.Get(id)
		if !ok || op.Phase != Pending && !op.Phase.Final() {
			return refuse(Stale, "operation %s is no longer pending", id)
		}
	}
	for _, id := range c.Cancel {
		t.withdraw(id, "no longer planned")
	}
	return nil
}

// adopt puts the new revision in force.
func (t *transition) adopt(c *Approve) *Refusal {
	chunks, refused := t.chunks(c.Manifest.Chunks)
	if refused != nil {
		return refused
	}
	wanted, err := DecodeSpec(chunks...)
	if err != nil {
		return refuse(Invalid, "revision %d: %v", t.Revision+1, err)
	}
	rev := *c.Manifest
	rev.Number, rev.Base, rev.Stack, rev.At = t.Revision+1, c.Base, c.Stack, t.Time
	rev.By = cmp.Or(rev.By, c.By)
	t.Revision = rev.Number
	t.Revisions = t.Revisions.With(revisionKey(rev.Number), &rev)
	if rev.Number > MaxRevisions {
		t.Revisions = t.Revisions.Without(revisionKey(rev.Number - MaxRevisions))
	}
	if wanted.Fleet != "" {
		t.Fleet = wanted.Fleet
	}
	t.State = t.Propose(wanted)
	t.forgetHosts()
	return nil
}

func revisionKey(n uint64) string { return fmt.Sprintf("%020d", n) }

// RevisionByNumber returns a kept revision.
func (st State) RevisionByNumber(n uint64) (*Revision, bool) { return st.Revisions.Get(revisionKey(n)) }

// addPending checks and adds the approved operations.
func (t *transition) addPending(c *Approve, ops []Operation) *Refusal {
	fresh := make(map[string]*Operation, len(ops))
	for i := range ops {
		op := ops[i]
		if _, taken := t.Operations.Get(op.ID); taken || fresh[op.ID] != nil {
			return refuse(Stale, "operation %s is in the record already: the plan was made for an older version of it", op.ID)
		}
		if refused := t.complete(&op, c); refused != nil {
			return refused
		}
		fresh[op.ID] = &op
		ops[i] = op
	}
	for i := range ops {
		for _, id := range ops[i].After {
			if _, ok := t.Operations.Get(id); !ok && fresh[id] == nil {
				return refuse(Invalid, "operation %s comes after %s, which does not exist", ops[i].ID, id)
			}
		}
	}
	t.Operations = t.Operations.Edit(func(put func(string, *Operation), _ func(string)) {
		for _, op := range fresh {
			put(op.ID, op)
		}
	})
	for i := range ops {
		t.indexOperation(fresh[ops[i].ID], 1)
	}
	return t.addressConflict(ops)
}

// complete fills in what the record decides about a new operation.
func (t *transition) complete(op *Operation, c *Approve) *Refusal {
	if op.ID == "" || op.Action == "" || op.Subject() == "" {
		return refuse(Invalid, "operation %q: %q of %q", op.ID, op.Action, op.Subject())
	}
	if op.Phase != "" && op.Phase != Pending {
		return refuse(Invalid, "operation %s is %s before it was approved", op.ID, op.Phase)
	}
	op.Phase, op.Epoch, op.Attempt, op.Steps, op.Error = Pending, 0, 0, nil, ""
	op.Revision, op.Approved = t.Revision, t.Time
	op.Request = cmp.Or(op.Request, c.Request)
	switch op.Action {
	case Create:
		return t.completeCreate(op, c)
	case Migrate:
		in, ok := t.Instances.Get(string(op.Instance))
		if !ok {
			return refuse(Invalid, "operation %s: %s is not in the record", op.ID, op.Instance)
		}
		op.Size, op.Pool, op.From = in.Size, in.Pool, cmp.Or(op.From, in.Host)
		if op.To == "" || op.To == op.From {
			return refuse(Invalid, "operation %s: %s can't migrate from %q to %q", op.ID, op.Instance, op.From, op.To)
		}
	}
	return nil
}

// completeCreate fixes the identity of an instance to be: the next life of its address.
func (t *transition) completeCreate(op *Operation, c *Approve) *Refusal {
	if op.Build == nil || op.To == "" || op.Build.Address != op.Instance {
		return refuse(Invalid, "operation %s: a create needs a host and the record of %s", op.ID, op.Instance)
	}
	in := *op.Build
	lives, _ := t.Lives.Get(string(op.Instance))
	if in.Incarnation == 0 {
		in.Incarnation = lives + 1
	}
	if in.Incarnation <= lives {
		return refuse(Stale, "%s has had %d lives, %d can't begin", op.Instance, lives, in.Incarnation)
	}
	if in.UUID == "" {
		in.UUID = InstanceUUID(t.ClusterID, in.Address, in.Incarnation)
	}
	if _, err := uuid.Parse(in.UUID); err != nil {
		return refuse(Invalid, "operation %s: %q is not a UUID", op.ID, in.UUID)
	}
	if op.Size == (Size{}) {
		op.Size = in.Size
	}
	if op.Size.VCPUs < 0 || op.Size.MemoryMiB < 0 || op.Size.TotalDiskMiB() < 0 || in.TrashRetention < 0 {
		return refuse(Invalid, "operation %s: %s has a negative size or retention", op.ID, op.Instance)
	}
	in.Size, in.Host, in.Phase = op.Size, op.To, Building
	in.Generation = max(in.Generation, 1)
	in.Stack = cmp.Or(in.Stack, c.Stack)
	in.Domain = cmp.Or(in.Domain, DomainName(in.UUID, in.Name))
	op.Build = &in
	return nil
}

// addressConflict finds an address that two instances would have. One that its owner is about to give up may
// be promised again.
func (t *transition) addressConflict(ops []Operation) *Refusal {
	leaving := map[spec.Address]bool{}
	for _, op := range t.Operations.All() {
		if !op.Phase.Final() && (op.Action == Terminate || op.Action == Forget) {
			leaving[op.Instance] = true
		}
	}
	for i := range ops {
		if ops[i].Action != Create {
			continue
		}
		for _, nic := range ops[i].Build.NICs {
			if nic.IP == "" {
				continue
			}
			if owner := t.addressOwner(nic, ops[i].Instance, func(a spec.Address) bool { return leaving[a] }); owner != "" {
				return refuse(Invalid, "operation %s: %s of %s belongs to %s", ops[i].ID, nic.IP, nic.Network, owner)
			}
		}
	}
	return nil
}

// forgetFinished drops operations that ended a while ago and that nothing waits for.
func (t *transition) forgetFinished() {
	before := t.Time.Add(-keepFinished)
	var old []string
	for id, op := range t.Operations.All() {
		if op.Phase.Final() && op.Ended.Before(before) && !t.awaited(id) {
			old = append(old, id)
		}
	}
	if len(old) == 0 {
		return
	}
	t.Operations = t.Operations.Edit(func(_ func(string, *Operation), remove func(string)) {
		for _, id := range old {
			remove(id)
		}
	})
}

func (t *transition) awaited(id string) bool {
	for range t.index.waiting.Prefix(id + keySep) {
		return true
	}
	return false
}

// collectChunks drops what no kept revision names. An approval without a new revision leaves the rest
// alone: another proposer may be about to name it.
func (t *transition) collectChunks(c *Approve) {
	used := map[string]bool{}
	for _, rev := range t.Revisions.All() {
		for _, d := range rev.Chunks {
			used[d] = true
		}
	}
	for _, p := range t.Plans.All() {
		for _, d := range p.Manifest.Chunks {
			used[d] = true
		}
	}
	var unused []string
	if c.Manifest == nil {
		unused = slices.DeleteFunc(slices.Clone(c.OperationChunks), func(d string) bool { return used[d] })
	} else {
		for d := range t.Chunks.All() {
			if !used[d] {
				unused = append(unused, d)
			}
		}
	}
	for _, d := range unused {
		t.Chunks = t.Chunks.Without(d)
	}
}
