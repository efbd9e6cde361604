package main

import (
	"errors"

	"github.com/novaplan/novaplan/cluster/seal"
	"github.com/novaplan/novaplan/spec"
)

// sealSecrets seals every secret of s for the cluster, before s leaves the process. A key is made only
// when keep says that what is sealed will be needed again; a mere plan does with a key of its own.
func sealSecrets(s *spec.Spec, cluster string, keep bool) error {
	if !hasSecrets(s) {
		return nil
	}
	if keep {
		key, err := seal.LoadOrCreate(cluster)
		if err != nil {
			return err
		}
		seal.Spec(key, s)
		return nil
	}
	key, err := seal.Load(cluster)
	if errors.Is(err, seal.ErrNoKey) {
		key, err = seal.NewKey(), nil
	}
	if err != nil {
		return err
	}
	seal.Spec(key, s)
	return nil
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
