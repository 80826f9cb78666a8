package forward

import (
	"context"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// maxReason bounds the text of a member's refusal in the answer to the client.
const maxReason = 200

// memberResult is the result of the member with a name.
type memberResult struct {
	name   string
	result rpc28.MemberResult
}

// Ask sends a change to members, in groups with others if grouped is set. It returns a function that waits for their
// results until ctx ends.
func (f *Forwarder) Ask(
	ctx context.Context, members []*ring.Peer, change []byte, grouped bool,
) func() map[string]rpc28.MemberResult {
	arrived := make(chan memberResult, len(members))
	for _, p := range members {
		f.Send(ctx, p, change, !grouped, func(got Result, err error) {
			if err != nil {
				f.config.Log.Debug("member does not answer", "peer", p.Name(), "error", err)
				if f.config.Patient {
					return
				}
			}
			arrived <- memberResult{p.Name(), readMember(got, err)}
		})
	}
	return func() map[string]rpc28.MemberResult {
		results := make(map[string]rpc28.MemberResult, len(members)+1)
		for len(results) < len(members) {
			select {
			case r := <-arrived:
				results[r.name] = r.result
			case <-ctx.Done():
				addSilent(results, members)
			}
		}
		return results
	}
}

// addSilent adds results of the members that have none.
func addSilent(results map[string]rpc28.MemberResult, members []*ring.Peer) {
	for _, p := range members {
		if _, answered := results[p.Name()]; !answered {
			results[p.Name()] = readMember(Result{}, context.DeadlineExceeded)
		}
	}
}

// readMember reads a member's answer.
func readMember(got Result, err error) rpc28.MemberResult {
	switch {
	case err != nil:
		return rpc28.MemberResult{Failed: true, Timeout: true}
	case got.Status != storage.StatusOK:
		reason := string(got.Body[:min(len(got.Body), maxReason)])
		return rpc28.MemberResult{Failed: true, Code: rpc28.Status(got.Status), Reason: reason}
	}
	if result, ok := readResult(got.Body); ok {
		return result
	}
	return rpc28.MemberResult{Failed: true, BadPeerResponse: true}
}
