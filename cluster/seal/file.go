package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// ErrNoKey says that this user has no key of the cluster.
var ErrNoKey = errors.New("no key of this cluster here")

// Path returns where the key of a cluster is kept: novaplan/keys/<id> in the user's configuration folder.
func Path(clusterID string) (string, error) {
	if _, err := uuid.Parse(clusterID); err != nil {
		return "", fmt.Errorf("cluster id %q: %w", clusterID, err)
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where to keep keys: %w", err)
	}
	return filepath.Join(config, "novaplan", "keys", clusterID), nil
}

// Load reads the key of a cluster: ErrNoKey when there is none. A key that others may read is refused.
func Load(clusterID string) (*Key, error) {
	path, err := Path(clusterID)
	if err != nil {
		return nil, err
	}
	return LoadFile(path)
}

// LoadFile reads the key in a file, as Load does: of a server, whose configuration names it.
func LoadFile(path string) (*Key, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNoKey)
	}
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key %s can be read by others: chmod 600 it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	master, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("key %s is damaged: put a backup in its place, or remove it and run novaplan takeover, which makes a new one", path)
	}
	k, err := keyOf(master)
	if err != nil {
		return nil, fmt.Errorf("key %s is damaged (%w): put a backup in its place, or remove it and run novaplan takeover, which makes a new one", path, err)
	}
	return k, nil
}

// LoadOrCreate is Load, and makes a random key where there is none.
func LoadOrCreate(clusterID string) (*Key, error) {
	path, err := Path(clusterID)
	if err != nil {
		return nil, err
	}
	return LoadOrCreateFile(path)
}

// LoadOrCreateFile is LoadFile, and makes a random key where there is none.
func LoadOrCreateFile(path string) (*Key, error) {
	k, err := LoadFile(path)
	if !errors.Is(err, ErrNoKey) {
		return k, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if err := writeKey(path, NewKey()); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("key: %w", err)
	}
	return LoadFile(path) // of two processes at once, the first one's
}

// writeKey makes the file whole or not at all, and never in place of another.
func writeKey(path string, k *Key) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(hex.EncodeToString(k.master) + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}
