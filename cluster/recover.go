package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/novaplan/novaplan/cluster/state"
)

// recoverPeers gives the cluster another configuration when a majority of its members is lost for good: the one
// in raft/peers.json, a list of {"id", "address", "non_voter"}, which an operator wrote there while every member was
// down, the same on all that are left. It is read once and then renamed. All that is in the log counts
// as committed from then on, whether it was or not.
func (n *Node) recoverPeers(snapshots raft.SnapshotStore, logger hclog.Logger) error {
	path := n.dir.path("raft", "peers.json")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	configuration, err := raft.ReadConfigJSON(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m := n.member
	m.log.Warn("recovering the cluster: its members are now those of the file", "file", path, "members", fmt.Sprint(configuration.Servers))
	before, err := n.store.LastIndex()
	if err != nil {
		return err
	}
	if _, err := n.audit(n.store, snapshots, 0); err != nil { // damage is found here, with words; raft would panic
		return err
	}
	replayed := newRecord(state.State{})
	var halted error
	_, trans := raft.NewInmemTransport("")
	machine := &machine{record: replayed, halt: func(err error) { halted = err }}
	err = raft.RecoverCluster(n.config(logger), machine, n.store, n.store, snapshots, trans, configuration)
	if err = errors.Join(halted, err); err != nil {
		return fmt.Errorf("recover by %s: %w", path, err)
	}
	m.log.Warn("recovered", "entries", before, "index", replayed.State().Index, "cluster", replayed.State().ClusterID)
	if err := os.Rename(path, n.dir.path("raft", "peers.recovered.json")); err != nil {
		return n.dir.writeError(err)
	}
	return nil
}
