package ring

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/storagehttp"
)

// ErrDirectory reports a seed that refused a call, or an answer that cannot be read.
var ErrDirectory = errors.New("seed gave no usable answer")

// Errors of Register: ErrRefused is final, ErrClock is caused by this machine's clock.
var (
	ErrRefused = errors.New("the registry refuses the node")
	ErrClock   = errors.New("the registry refuses the node's clock")
)

// ErrSeedURL reports a text that cannot be the URL of a seed.
var ErrSeedURL = errors.New("bad seed")

// Directory is the source of the node list. Nodes returns the whole list, or Unchanged if its block hash is still
// lastHash. [Members] makes one call per poll interval, never two at a time.
type Directory interface {
	Nodes(ctx context.Context, lastHash string) (*nodelist.Result, error)
}

// Seed is a Directory reached over HTTP: a registry of this project or a real seed.
type Seed struct {
	url    string
	client *storagehttp.Client
}

// NewSeed makes a Seed for an http or https URL, such as "http://127.0.0.1:22023". Without a path it means
// nodelist.SeedPath.
func NewSeed(text string) (*Seed, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return nil, fmt.Errorf("%w: %q is not an http or https URL", ErrSeedURL, text)
	}
	if strings.Trim(parsed.Path, "/") == "" {
		parsed.Path = nodelist.SeedPath
	}
	return &Seed{url: parsed.String(), client: storagehttp.NewClient()}, nil
}

// Close closes idle connections.
func (s *Seed) Close() { s.client.Close() }

// Nodes implements Directory (storage-2.0.md section 10).
func (s *Seed) Nodes(ctx context.Context, lastHash string) (*nodelist.Result, error) {
	var result nodelist.Result
	err := s.call(ctx, nodelist.Method, nodelist.Params{
		PollBlockHash: lastHash,
		Fields: map[string]bool{
			"service_node_pubkey": true, "pubkey_ed25519": true, "pubkey_x25519": true, "public_ip": true,
			"storage_port": true, "swarm_id": true, "funded": true, "active": true,
			"block_hash": true, "height": true, "hardfork": true,
		},
	}, &result)
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// Register announces a node to a registry of this project; real seeds have no such method. ip and port are the node's
// address, and now is the time of its clock. Registering again moves the node to another address. The error may be
// ErrRefused or ErrClock.
func (s *Seed) Register(ctx context.Context, keys Keys, ip string, port uint16, now time.Time) error {
	return s.call(ctx, nodelist.MethodRegister, Registration(keys, ip, port, now), nil)
}

// Registration makes the signed announcement that [Seed.Register] sends.
func Registration(keys Keys, ip string, port uint16, now time.Time) nodelist.RegisterParams {
	params := nodelist.RegisterParams{
		PubkeyEd25519: keys.Name(),
		PubkeyX25519:  keys.X25519.Public.String(),
		PublicIP:      ip,
		StoragePort:   port,
		TimestampMS:   now.UnixMilli(),
	}
	signature := keys.Ed25519.Sign(nodelist.RegisterSignatureText(params))
	params.Signature = base64.StdEncoding.EncodeToString(signature[:])
	return params
}

// call makes a JSON-RPC call and reads its result into result unless that is nil.
func (s *Seed) call(ctx context.Context, method string, params, result any) error {
	body, err := storage.NewRequest(method, params)
	if err != nil {
		return err
	}
	answer, err := s.client.PostSeed(ctx, s.url, body)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if answer.Status != storage.StatusOK {
		return fmt.Errorf("%w: status %d", ErrDirectory, answer.Status)
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer.Body, &reply); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if reply.Error != nil {
		return fmt.Errorf("%w: %s", callError(method, reply.Error.Code), strconv.Quote(reply.Error.Message))
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Result, result); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	return nil
}

// callError returns the error for a JSON-RPC error code. Only a registry of this project has codes for refusals.
func callError(method string, code int) error {
	switch {
	case method == nodelist.MethodRegister && code == nodelist.CodeRegistrationRefused:
		return ErrRefused
	case method == nodelist.MethodRegister && code == nodelist.CodeRegistrationClock:
		return ErrClock
	}
	return ErrDirectory
}
