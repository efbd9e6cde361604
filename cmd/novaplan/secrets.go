package main

import (
	"errors"
	"fmt"

	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/seal"
	"github.com/novaplan/novaplan/spec"
)

// keyUse says what becomes of what is sealed.
type keyUse int

const (
	keyToLook keyUse = iota // nothing: a key that exists for this command only will do where there is none
	keyToKeep               // it comes into force: the key must be the cluster's, and is made with the first secret
	keyAnew                 // it is a beginning: where the key is lost, a new one is made
)

// sealSecrets seals every secret of s, before s leaves the process. It reports whether the cluster's key is
// lost: secrets were sealed with it, and it isn't here.
func sealSecrets(s *spec.Spec, id wire.Identity, use keyUse) (lost bool, err error) {
	if !hasSecrets(s) {
		return false, nil
	}
	key, err := seal.Load(id.Cluster)
	if errors.Is(err, seal.ErrNoKey) {
		lost = id.Secrets
		switch {
		case lost && use == keyToKeep:
			return true, keyLost(id.Cluster)
		case use == keyToLook:
			key, err = seal.NewKey(), nil
		default:
			key, err = seal.LoadOrCreate(id.Cluster)
		}
	}
	if err != nil {
		return lost, err
	}
	seal.Spec(key, s)
	return lost, nil
}

func keyLost(cluster string) error {
	path, err := seal.Path(cluster)
	if err != nil {
		return err
	}
	return &wire.Error{
		Code: api.CodeFailed, Message: "the key of this cluster's secrets is missing: " + path,
		Detail: []string{
			"Copy it from where this fleet was applied last (mode 0600). If it is lost, novaplan takeover makes a new one",
			"and seals the secrets of the spec with it. Nothing was changed.",
		},
	}
}

// warnKeyLost says why a plan takes secrets for changed that may not be.
func (c *console) warnKeyLost(id wire.Identity) {
	path, err := seal.Path(id.Cluster)
	if err != nil {
		return
	}
	fmt.Fprintf(c.Err, "%s the key of this cluster's secrets is missing: %s\n", c.palette(c.Err).Warn("Warning:"), path)
	fmt.Fprintln(c.Err, "  All secrets in the spec look changed, and apply will refuse. Copy the key from where this fleet was applied last;")
	fmt.Fprintln(c.Err, "  if it is lost, novaplan takeover makes a new one.")
	fmt.Fprintln(c.Err)
}

func hasSecrets(s *spec.Spec) bool {
	for i := range s.Instances {
		if !s.Instances[i].UserData.IsZero() {
			return true
		}
	}
	for i := range s.Hosts {
		if f := s.Hosts[i].Fence; f != nil && len(f.Options) > 0 {
			return true
		}
	}
	return false
}
