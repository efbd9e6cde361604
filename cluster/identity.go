package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/novaplan/novaplan/cluster/state"
)

// identity is what a member remembers of itself beside its log, in the file "member".
type identity struct {
	ID string `json:"id"`
	// Group is the cluster that this member belongs to, "" before it has one: a random name of the set of
	// members, which stays when the record in it is replaced. Once set it never changes: that is what keeps a
	// member from voting in two clusters, and a wiped one from voting before it was let in anew.
	Group string `json:"group,omitempty"`
	// Begun says that there is a log: when it is gone, what this member had promised is gone with it.
	Begun bool `json:"begun,omitempty"`
	// Removed says that an operator took this member out of its cluster.
	Removed bool `json:"removed,omitempty"`
}

func (f folder) identityPath() string { return f.path("member") }

// identity reads who lives in the folder; nil for an embedded record.
func (f folder) identity() (*identity, error) {
	data, err := os.ReadFile(f.identityPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	id := new(identity)
	if err := json.Unmarshal(data, id); err != nil || id.ID == "" {
		return nil, damaged(string(f), fmt.Errorf("%s: %w: %v", f.identityPath(), state.ErrCorrupt, err))
	}
	return id, nil
}

func (f folder) setIdentity(id identity) error {
	data, err := json.Marshal(id)
	if err != nil {
		return err
	}
	if err := writeFile(f.identityPath(), string(data)+"\n"); err != nil {
		return f.writeError(err)
	}
	return nil
}

// settle makes sure that the folder is what it is opened as: an embedded record, or this member's.
func (f folder) settle(m *Membership) (identity, error) {
	id, err := f.identity()
	if err != nil {
		return identity{}, err
	}
	switch {
	case m == nil && id == nil:
		return identity{}, nil
	case m == nil:
		return identity{}, fmt.Errorf("%s: %w: it belongs to the server %q", f, ErrMember, id.ID)
	case id == nil && f.begun():
		return identity{}, fmt.Errorf("%s: %w: it holds the embedded record of a folder; save that to an archive and restore it here into an empty folder", f, ErrMember)
	case id == nil:
		next := identity{ID: m.ID}
		return next, f.setIdentity(next)
	case id.ID != m.ID:
		return identity{}, fmt.Errorf("%s: %w: it belongs to the member %q, not %q", f, ErrMember, id.ID, m.ID)
	case id.Removed:
		return identity{}, fmt.Errorf("%s: %w; to join again as a new member, move this folder away first", f, ErrRemoved)
	}
	return *id, nil
}

// begun reports whether a log was ever begun in the folder.
func (f folder) begun() bool {
	entries, err := os.ReadDir(f.wal())
	return err == nil && len(entries) > 0
}
