package node

import (
	"context"
	"encoding/json"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc28"
)

// oxendAnswer is the 200 of oxend_request.
type oxendAnswer struct {
	Result nodelist.Answer `json:"result"`
	rpc28.Clock
}

// readOxend reads a request to the blockchain node behind a storage server. Here the directory takes its place, and
// only the request for the node list is supported.
func (n *Node) readOxend(p *parameters) task {
	p.require("endpoint")
	if endpoint := p.text("endpoint"); p.err == nil && endpoint != nodelist.Endpoint {
		p.fail("Invalid oxend endpoint '%.50s'", endpoint)
	}
	var params nodelist.Query
	if p.has("params") {
		if err := json.Unmarshal([]byte(p.fields["params"].Raw), &params); err != nil {
			p.fail("Invalid value given for 'params': expected parameters of %s", nodelist.Endpoint)
		}
	}
	return func(context.Context) (answer, error) {
		view := n.members.View()
		states := make([]nodelist.State, 0, len(view.Peers))
		for _, id := range view.IDs {
			for _, p := range view.Swarms[id] {
				states = append(states, p.Listed)
			}
		}
		list := nodelist.Answer{
			States: params.Select(states), Height: view.Height, BlockHash: view.BlockHash, Status: "OK",
		}
		return jsonAnswer(storage.StatusOK, oxendAnswer{list, n.clock()})
	}
}
