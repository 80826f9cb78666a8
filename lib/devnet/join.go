package devnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"sessiontool/lib/node"
)

// ErrPublicIP reports that it is not known where others reach a node.
var ErrPublicIP = errors.New("a node that listens on all addresses needs a public IP")

// JoinOptions say what a node that joins a network from outside is made of. Seed, DataDir and Listener are required.
type JoinOptions struct {
	// Seed is the URL of the network's registry.
	Seed string
	// DataDir is where the node keeps keys and messages.
	DataDir string
	// Listener takes the node's connections. It is closed with the node, or if Join fails.
	Listener net.Listener
	// PublicIP is where others reach the node; empty means the listener's address.
	PublicIP string
	// Difficulty, AllowUnsigned and Logger are as in Options.
	Difficulty    uint64
	AllowUnsigned bool
	Logger        *slog.Logger
}

// Running is a node that has joined a network.
type Running struct {
	node *node.Node
	seed *node.Seed
	info NodeInfo
}

// Join registers a node with a registry and runs it. It returns when the node belongs to a swarm. ctx is for joining
// only; Close ends the node, which stays listed.
func Join(ctx context.Context, options JoinOptions) (*Running, error) {
	seed, err := node.NewSeed(options.Seed)
	if err != nil {
		return nil, errors.Join(err, options.Listener.Close())
	}
	running := &Running{seed: seed}
	if running.info, err = register(ctx, seed, options); err != nil {
		seed.Close()
		return nil, errors.Join(err, options.Listener.Close())
	}
	running.node, err = node.Start(ctx, node.Config{
		DataDir:       options.DataDir,
		Listener:      options.Listener,
		Directory:     seed,
		Difficulty:    options.Difficulty,
		AllowUnsigned: options.AllowUnsigned,
		RateLimit:     node.DefaultRateLimit,
		Logger:        options.Logger,
	})
	if err != nil {
		seed.Close()
		return nil, err
	}
	if !running.node.Ready() {
		err := fmt.Errorf("%w: it does not list the node", node.ErrDirectory)
		return nil, errors.Join(err, running.Close(context.WithoutCancel(ctx)))
	}
	running.info.Running = true
	return running, nil
}

// register announces the node and looks up what the registry made of it.
func register(ctx context.Context, seed *node.Seed, options JoinOptions) (NodeInfo, error) {
	address := options.Listener.Addr().(*net.TCPAddr)
	ip := options.PublicIP
	if ip == "" {
		if address.IP.IsUnspecified() {
			return NodeInfo{}, ErrPublicIP
		}
		ip = address.IP.String()
	}
	keys, err := node.LoadKeys(options.DataDir, rand.Reader)
	if err != nil {
		return NodeInfo{}, err
	}
	if err := seed.Register(ctx, keys, ip, uint16(address.Port), time.Now()); err != nil {
		return NodeInfo{}, fmt.Errorf("registering: %w", err)
	}
	list, err := seed.Nodes(ctx, "")
	if err != nil {
		return NodeInfo{}, err
	}
	for _, state := range list.States {
		if state.PubkeyEd25519 == keys.Name() {
			return info(keys, state), nil
		}
	}
	return NodeInfo{}, fmt.Errorf("%w: it does not list the node", node.ErrDirectory)
}

// Info describes the node as it joined.
func (r *Running) Info() NodeInfo { return r.info }

// Done is closed when the node has stopped serving.
func (r *Running) Done() <-chan struct{} { return r.node.Done() }

// Close stops the node. Requests under way get a few seconds, less if ctx ends before.
func (r *Running) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	err := r.node.Close(ctx)
	r.seed.Close()
	return err
}
