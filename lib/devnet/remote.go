package devnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"sessiontool/lib/internal/regular"
)

// ErrControl reports a devnet without a control endpoint: it does not run, or was started without Options.Control.
var ErrControl = errors.New("the devnet takes no orders")

// Kinds of errors that keep their identity across the endpoint.
const (
	kindNode  = "node"
	kindFault = "fault"
	kindPage  = "page"
)

// Remote controls a devnet of another process: see Control in [Options].
type Remote struct {
	note controlNote
}

// Connect finds the control endpoint of the devnet in dir. It returns ErrControl if there is none.
func Connect(dir string) (*Remote, error) {
	data, err := regular.Read(filepath.Join(dir, controlFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrControl, err)
	}
	remote := &Remote{}
	if err := json.Unmarshal(data, &remote.note); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrControl, controlFile, err)
	}
	return remote, nil
}

// PID returns the number of the process that runs the network.
func (r *Remote) PID() int { return r.note.PID }

// Running reports whether the endpoint is still that of the same process. It does not connect to it.
func (r *Remote) Running(dir string) bool {
	now, err := Connect(dir)
	return err == nil && now.note == r.note
}

// SetFault calls [Network.SetFault].
func (r *Remote) SetFault(ctx context.Context, nodes []string, fault Fault) ([]NodeFault, error) {
	fault, err := fault.complete()
	if err != nil {
		return nil, err
	}
	done, err := r.send(ctx, order{Set: &fault, Nodes: nodes})
	return done.Faults, err
}

// ClearFaults calls [Network.ClearFaults].
func (r *Remote) ClearFaults(ctx context.Context, nodes []string, kinds ...FaultKind) ([]NodeFault, error) {
	done, err := r.send(ctx, order{Clear: true, Kinds: kinds, Nodes: nodes})
	return done.Faults, err
}

// Faults calls [Network.Faults].
func (r *Remote) Faults(ctx context.Context) ([]NodeFault, error) {
	done, err := r.send(ctx, order{})
	return done.Faults, err
}

// SetDifficulty calls [Network.SetDifficulty]. It returns the network's status afterwards.
func (r *Remote) SetDifficulty(ctx context.Context, difficulty uint64) (Status, error) {
	done, err := r.send(ctx, order{Difficulty: difficulty})
	return done.Status, err
}

// Status calls [Network.Status].
func (r *Remote) Status(ctx context.Context) (Status, error) {
	done, err := r.send(ctx, order{})
	return done.Status, err
}

// OpenPage calls [Network.OpenPage]. It returns the network's status afterwards.
func (r *Remote) OpenPage(ctx context.Context, options PageOptions) (Status, error) {
	done, err := r.send(ctx, order{Page: &options})
	return done.Status, err
}

// ClosePage calls [Network.ClosePage]. It returns the network's status afterwards.
func (r *Remote) ClosePage(ctx context.Context) (Status, error) {
	done, err := r.send(ctx, order{ClosePage: true})
	return done.Status, err
}

// Token returns the token of the control endpoint.
func (r *Remote) Token() string { return r.note.Token }

// States calls [Network.States].
func (r *Remote) States(ctx context.Context) ([]NodeState, error) {
	done, err := r.send(ctx, order{States: true})
	return done.States, err
}

// send sends one order. A result may come together with an error.
func (r *Remote) send(ctx context.Context, o order) (done result, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return done, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.note.URL, bytes.NewReader(body))
	if err != nil {
		return done, fmt.Errorf("%w: %w", ErrControl, err)
	}
	request.Header.Set("Authorization", "Bearer "+r.note.Token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	switch {
	case err != nil && ctx.Err() != nil:
		return done, ctx.Err()
	case err != nil:
		return done, fmt.Errorf("%w: %w", ErrControl, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxControlBody))
	switch {
	case err != nil:
		return done, fmt.Errorf("%w: %w", ErrControl, err)
	case response.StatusCode != http.StatusOK:
		return done, fmt.Errorf("%w: status %d: %s", ErrControl, response.StatusCode, bytes.TrimSpace(text))
	}
	if err := json.Unmarshal(text, &done); err != nil {
		return done, fmt.Errorf("%w: %w", ErrControl, err)
	}
	return done, done.failure()
}

// failure is the error that the devnet reported, with the identity that it had there.
func (done result) failure() error {
	switch done.Kind {
	case kindNode:
		return fmt.Errorf("%w%s", ErrNode, strings.TrimPrefix(done.Error, ErrNode.Error()))
	case kindFault:
		return fmt.Errorf("%w%s", ErrFault, strings.TrimPrefix(done.Error, ErrFault.Error()))
	case kindPage:
		return fmt.Errorf("%w%s", ErrPage, strings.TrimPrefix(done.Error, ErrPage.Error()))
	}
	if done.Error != "" {
		return fmt.Errorf("the devnet failed: %s", done.Error)
	}
	return nil
}
