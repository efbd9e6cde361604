package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/seal"
	"github.com/novaplan/novaplan/spec"
)

// members is the cluster as the API knows it.
type members server

// Members lists the members.
func (m *members) Members(ctx context.Context) ([]wire.Member, error) {
	known, err := m.node.Members(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]wire.Member, 0, len(known))
	for _, k := range known {
		out = append(out, wire.Member{
			ID: k.ID, Address: k.Address, Voter: k.Voter, Leader: k.Leader, Healthy: k.Healthy, Problem: k.Problem,
			LastContact: k.LastContact.Milliseconds(), Applied: k.Applied, Version: k.Version, Level: k.Level,
		})
	}
	return out, nil
}

// RemoveMember takes a member out for good.
func (m *members) RemoveMember(ctx context.Context, id string) error {
	return m.node.RemoveMember(ctx, id)
}

// TransferLeadership makes another member the leader.
func (m *members) TransferLeadership(ctx context.Context, id string) error {
	return m.node.TransferLeadership(ctx, id)
}

// Save writes an archive of the record.
func (m *members) Save(ctx context.Context, w io.Writer) (wire.Snapshot, error) {
	info, err := m.node.Save(ctx, w)
	return wire.Snapshot{Cluster: info.ClusterID, Fleet: info.Fleet, Index: info.Index, Term: info.Term, Level: info.Level, Bytes: info.Bytes}, err
}

// Restore puts an archive in the record's place.
func (m *members) Restore(ctx context.Context, r io.Reader) error { return m.node.Restore(ctx, r) }

// lastContact is how long ago this member heard from the leader.
func (s *server) lastContact() time.Duration {
	known, err := s.node.Members(context.Background())
	if err != nil {
		return 0
	}
	for _, k := range known {
		if k.Leader {
			return max(k.LastContact, 0)
		}
	}
	return 0
}

// sealer seals with the servers' key.
type sealer server

// Seal seals a text.
func (s *sealer) Seal(plain string) (spec.Secret, error) {
	key, err := s.key()
	if err != nil {
		return spec.Secret{}, err
	}
	return key.Seal(plain), nil
}

// key reads the key. A single server makes its own with the first secret; several must be given the same one.
func (s *sealer) key() (*seal.Key, error) {
	load := seal.LoadFile
	if s.conf.Expect == 1 {
		load = seal.LoadOrCreateFile
	}
	key, err := load(s.conf.SecretsKey)
	if errors.Is(err, seal.ErrNoKey) {
		return nil, fmt.Errorf("%w: make one with novaplan server key, and give all members the same (secrets_key)", err)
	}
	return key, err
}
