package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// Restore makes the record of an archive the record of this cluster, on all members; what was there is
// gone. The leader does it. Every leadership from then on has a term above the archive's, so
// that hosts which know its epochs obey the next leader; the present leadership ends.
func (n *Node) Restore(ctx context.Context, r io.Reader) error {
	if err := n.Verify(ctx); err != nil {
		return err
	}
	file, err := spool(n.dir.path())
	if err != nil {
		return n.dir.writeError(err)
	}
	defer file.Close()
	info, st, err := unpack(r, file)
	if err != nil {
		return err
	}
	if now := n.State(); now.Level > 0 && now.Mode != st.Mode {
		return fmt.Errorf("restore: %w: the archive is %s, this record %s", ErrMode, st.Mode, now.Mode)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n.lead(nil) // nobody may act on either record in the meantime
	n.opts.Logger.Warn("restoring", "cluster", info.ClusterID, "index", info.Index, "created", info.Created)
	meta := &raft.SnapshotMeta{Version: 1, Index: st.Index, Term: st.Term, Size: info.Bytes}
	done := make(chan error, 1)
	go func() { done <- n.raft.Restore(meta, file, 0) }()
	select {
	case err = <-done:
	case <-n.ended:
		err = ErrClosed
	}
	// The old epoch must not go on, whatever became of it: an operation of before could finish one of after.
	if raised := n.raiseTerm(st.Term); raised != nil {
		n.opts.Logger.Warn("raise the term", "above", st.Term, "error", raised)
		_ = n.await(n.raft.LeadershipTransfer()) // the next leader does it
	}
	if err != nil {
		return n.proposalError(fmt.Errorf("restore: %w", err))
	}
	return nil
}

// restoreFirst makes the archive of Membership.Restore the beginning of a cluster of this member alone. It is
// done before raft starts: its term is set above the archive's.
func (n *Node) restoreFirst(snapshots raft.SnapshotStore) error {
	m := n.member
	if last, err := n.store.LastIndex(); err != nil || last > 0 {
		return err
	}
	file, err := os.Open(m.Restore)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer file.Close()
	spooled, err := spool(n.dir.path())
	if err != nil {
		return err
	}
	defer spooled.Close()
	info, st, err := unpack(file, spooled)
	if err != nil {
		return fmt.Errorf("restore %s: %w", m.Restore, err)
	}
	if n.opts.Mode != "" && n.opts.Mode != st.Mode {
		return fmt.Errorf("restore %s: %w: %s, not %s", m.Restore, ErrMode, st.Mode, n.opts.Mode)
	}
	if m.id.Group == "" {
		if err := m.belong(uuid.NewString()); err != nil {
			return err
		}
	}
	if err := n.store.SetUint64([]byte(keyCurrentTerm), st.Term+1); err != nil {
		return err
	}
	m.log.Warn("beginning with an archive", "file", m.Restore, "cluster", info.ClusterID, "index", info.Index, "created", info.Created)
	if _, err := spooled.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return m.beginWith(snapshots, st, spooled)
}

// beginWith writes the first snapshot.
func (m *member) beginWith(snapshots raft.SnapshotStore, st state.State, r io.Reader) error {
	alone := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Network.Address())}}}
	_, trans := raft.NewInmemTransport("") // names the peers of old snapshot formats only
	sink, err := snapshots.Create(1, st.Index, st.Term, alone, 1, trans)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sink, r); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return err
	}
	return m.note(func(id *identity) { id.Begun = true })
}
