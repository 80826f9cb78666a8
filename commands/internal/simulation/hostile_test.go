//go:build unix

package simulation

// hostility is how a member of the network lies. The methods of nil are those of an honest node.
type hostility struct{}

func newHostility(*world) *hostility { return &hostility{} }

// request returns what the node makes of a client's request, or the answer that it forges.
func (h *hostility) request(body []byte) ([]byte, *answered) { return body, nil }

// answer returns what the node makes of its own answer.
func (h *hostility) answer(_ []byte, a answered) answered { return a }
