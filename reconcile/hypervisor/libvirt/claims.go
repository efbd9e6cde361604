package libvirt

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// A claim is a libvirt secret without a value. libvirt refuses a second secret with the same usage name and
// another UUID, and that is the compare-and-set: the UUID is the cluster's.
const (
	claimUsage     = "novaplan-owner"
	claimUsageType = golibvirt.SecretUsageTypeCeph // the oldest type whose usage is a free name
)

type secretXML struct {
	XMLName     xml.Name    `xml:"secret"`
	Ephemeral   string      `xml:"ephemeral,attr"`
	Private     string      `xml:"private,attr"`
	UUID        string      `xml:"uuid"`
	Description string      `xml:"description"`
	Usage       secretUsage `xml:"usage"`
}

type secretUsage struct {
	Type string `xml:"type,attr"`
	Name string `xml:"name"`
}

// claimWords is the secret's description.
type claimWords struct {
	Fleet    string `json:"fleet"`
	Epoch    uint64 `json:"epoch"`
	Endpoint string `json:"endpoint,omitempty"`
}

func claimXML(claim hypervisor.Claim) (string, error) {
	words, err := json.Marshal(claimWords{claim.Fleet, claim.Epoch, claim.Endpoint})
	if err != nil {
		return "", err
	}
	text, err := xml.Marshal(secretXML{
		Ephemeral: "no", Private: "no",
		UUID:        claim.Cluster,
		Description: string(words),
		Usage:       secretUsage{Type: "ceph", Name: claimUsage},
	})
	return string(text), err
}

// parseClaim reads a secret. A description that isn't ours still is a claim by that UUID: whoever made
// it wanted the host to be left alone.
func parseClaim(text string) (hypervisor.Claim, error) {
	var secret secretXML
	if err := xml.Unmarshal([]byte(text), &secret); err != nil {
		return hypervisor.Claim{}, fmt.Errorf("claim: %w", err)
	}
	claim := hypervisor.Claim{Cluster: secret.UUID}
	var words claimWords
	if err := json.Unmarshal([]byte(secret.Description), &words); err == nil {
		claim.Fleet, claim.Epoch, claim.Endpoint = words.Fleet, words.Epoch, words.Endpoint
	}
	return claim, nil
}

// GetClaim implements hypervisor.Claims.
func (h *host) GetClaim(ctx context.Context) (hypervisor.Claim, error) {
	const what = "read the claim"
	secret, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.Secret, error) {
		return rpc.SecretLookupByUsage(int32(claimUsageType), claimUsage)
	})
	if err != nil {
		return hypervisor.Claim{}, h.fail(what, err, false)
	}
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.SecretGetXMLDesc(secret, 0) })
	if err != nil {
		return hypervisor.Claim{}, h.fail(what, err, false)
	}
	claim, err := parseClaim(text)
	return claim, h.fail(what, err, false)
}

// SetClaim implements hypervisor.Claims.
func (h *host) SetClaim(ctx context.Context, claim hypervisor.Claim) error {
	const what = "claim the host"
	if _, err := parseUUID(claim.Cluster); err != nil {
		return h.fail(what, err, true)
	}
	text, err := claimXML(claim)
	if err != nil {
		return h.failAs(what, hypervisor.ErrRefused, "%v", err)
	}
	err = h.do(ctx, func(rpc *golibvirt.Libvirt) error {
		_, err := rpc.SecretDefineXML(text, 0)
		return err
	})
	if said := new(golibvirt.Error); errors.As(err, said) {
		if owner, ownerErr := h.GetClaim(ctx); ownerErr == nil && owner.Cluster != claim.Cluster {
			return h.claimedBy(what, owner)
		}
	}
	return h.fail(what, err, true)
}

// ReleaseClaim implements hypervisor.Claims.
func (h *host) ReleaseClaim(ctx context.Context, clusterID string) error {
	const what = "release the claim"
	owner, err := h.GetClaim(ctx)
	if err != nil {
		return h.fail(what, err, false)
	}
	if owner.Cluster != clusterID {
		return h.claimedBy(what, owner)
	}
	id, err := parseUUID(clusterID)
	if err != nil {
		return h.fail(what, err, true)
	}
	return h.fail(what, h.do(ctx, func(rpc *golibvirt.Libvirt) error {
		return rpc.SecretUndefine(golibvirt.Secret{UUID: id, UsageType: int32(claimUsageType), UsageID: claimUsage})
	}), true)
}

func (h *host) claimedBy(what string, owner hypervisor.Claim) error {
	at := ""
	if owner.Endpoint != "" {
		at = " at " + owner.Endpoint
	}
	return h.failAs(what, hypervisor.ErrClaimed, "cluster %s (fleet %q%s) has it", owner.Cluster, owner.Fleet, at)
}
