package node

import (
	"context"
	"encoding/json"

	"sessiontool/lib/rpc"
)

// oxendAnswer is the 200 of oxend_request.
type oxendAnswer struct {
	Result rpc.NodeList `json:"result"`
	rpc.Clock
}

// readOxend reads a question to the node of the chain that stands behind a storage server. Here that is the directory, and
// the one question that it answers is which nodes there are.
func (n *Node) readOxend(p *parameters) task {
	p.require("endpoint")
	if endpoint := p.text("endpoint"); p.err == nil && endpoint != rpc.EndpointServiceNodes {
		p.fail("Invalid oxend endpoint '%.50s'", endpoint)
	}
	var params rpc.NodeListParams
	if p.has("params") {
		if err := json.Unmarshal([]byte(p.fields["params"].Raw), &params); err != nil {
			p.fail("Invalid value given for 'params': expected parameters of %s", rpc.EndpointServiceNodes)
		}
	}
	return func(context.Context) (answer, error) {
		view := n.members.View()
		states := make([]rpc.NodeState, 0, len(view.Peers))
		for _, id := range view.IDs {
			for _, p := range view.Swarms[id] {
				states = append(states, p.Listed)
			}
		}
		list := rpc.NodeList{States: params.Select(states), Height: view.Height, BlockHash: view.BlockHash, Status: "OK"}
		return jsonAnswer(rpc.StatusOK, oxendAnswer{list, n.clock()})
	}
}
