package cluster

import (
	"context"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Proposer is what an approval needs of a Node or Memory.
type Proposer interface {
	State() state.State
	ProposeAll(ctx context.Context, commands ...state.Command) ([]state.Result, error)
}

// fewOperations ride in the approving command itself.
const fewOperations = 64

// Approve makes wanted (sealed; nil: unchanged) the desired spec and commits operations as pending:
// chunks first, then the one command that names them. a holds the rest: Stack, Base, PlanDigest, Cancel, By,
// Request, and in Manifest at most Message and Commit. A refusal is in the Result.
func Approve(ctx context.Context, p Proposer, a state.Approve, wanted *spec.Spec, operations []state.Operation) (state.Result, error) {
	var chunks []state.Chunk
	if wanted != nil {
		rev, parts, err := state.EncodeSpec(wanted)
		if err != nil {
			return state.Result{}, err
		}
		if a.Manifest != nil {
			rev.Message, rev.Commit = a.Manifest.Message, a.Manifest.Commit
		}
		a.Manifest, chunks = rev, parts
	}
	a.Operations = operations
	if len(operations) > fewOperations {
		parts, err := state.EncodeOperations(operations)
		if err != nil {
			return state.Result{}, err
		}
		a.Operations = nil
		for _, c := range parts {
			a.OperationChunks = append(a.OperationChunks, c.Digest)
		}
		chunks = append(chunks, parts...)
	}
	commands := missing(p.State(), chunks)
	commands = append(commands, state.Command{Approve: &a})
	results, err := p.ProposeAll(ctx, commands...)
	if err != nil {
		return state.Result{}, err
	}
	return results[len(results)-1], nil
}

// missing puts the chunks that the record doesn't have yet.
func missing(st state.State, chunks []state.Chunk) []state.Command {
	var commands []state.Command
	for _, c := range chunks {
		if _, ok := st.Chunks.Get(c.Digest); !ok {
			commands = append(commands, state.Command{PutChunk: &state.PutChunk{Digest: c.Digest, Data: c.Data}})
		}
	}
	return commands
}
