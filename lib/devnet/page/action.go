package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sessiontool/lib/devnet"
)

// errAction reports an action that is not possible.
var errAction = errors.New("bad action")

// action is a change by hand: one of its fields but Nodes and Kinds is set.
type action struct {
	Fault      string             `json:"fault,omitempty"` // in the form of devnet.ParseFault, with the nodes
	Clear      bool               `json:"clear,omitempty"`
	Kinds      []devnet.FaultKind `json:"kinds,omitempty"` // of faults to clear; none means all
	Nodes      []string           `json:"nodes,omitempty"` // of faults to clear, at least one
	Difficulty uint64             `json:"difficulty,omitempty"`
}

// done is the result of an action.
type done struct {
	Changed int `json:"changed"` // faults that were set or cleared
}

// parseAction reads an action. The error is errAction.
func parseAction(body []byte) (a action, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return a, fmt.Errorf("%w: it cannot be read", errAction)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return a, fmt.Errorf("%w: something follows it", errAction)
	}
	given := 0
	for _, set := range []bool{a.Fault != "", a.Clear, a.Difficulty != 0} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return a, fmt.Errorf("%w: it sets a fault, clears faults, or sets the difficulty", errAction)
	case a.Clear && len(a.Nodes) == 0:
		return a, fmt.Errorf("%w: it names no node", errAction)
	case !a.Clear && len(a.Nodes)+len(a.Kinds) > 0:
		return a, fmt.Errorf("%w: nodes and kinds are for clearing", errAction)
	}
	return a, nil
}

// act executes an action.
func (p *Page) act(ctx context.Context, a action) (result done, err error) {
	ctx, cancel := context.WithTimeout(ctx, maxActionTime)
	defer cancel()
	var faults []devnet.NodeFault
	switch {
	case a.Difficulty != 0:
		err = p.options.Controls.SetDifficulty(a.Difficulty)
	case a.Clear:
		faults, err = p.options.Controls.ClearFaults(ctx, a.Nodes, a.Kinds...)
	default:
		var fault devnet.Fault
		var nodes []string
		if fault, nodes, err = devnet.ParseFault(a.Fault); err == nil && len(nodes) == 0 {
			return result, fmt.Errorf("%w: the fault names no node", errAction)
		}
		if err == nil {
			faults, err = p.options.Controls.SetFault(ctx, nodes, fault)
		}
	}
	result.Changed = len(faults)
	if errors.Is(err, devnet.ErrFault) || errors.Is(err, devnet.ErrNode) {
		err = fmt.Errorf("%w: %w", errAction, err)
	}
	return result, err
}
