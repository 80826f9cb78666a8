package devnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"sessiontool/lib/internal/clients"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
)

// Registration needs no permission. So the registry lists only nodes that it has reached, lists a bounded number for
// each address, and lists no address that only its own machine or network can reach.

const (
	// challengeTimeout bounds a challenge, which is a TLS handshake.
	challengeTimeout = 5 * time.Second
	// maxChallenges bounds the concurrent challenges.
	maxChallenges = 32
	// registrationRate bounds the registrations a second from one address, and the challenges a second to one address,
	// both with bursts of registrationBurst.
	registrationRate  = 5
	registrationBurst = 60
	// requestRate bounds the requests a second from one address, with bursts of twice as many.
	requestRate = 1000
	// maxPerAddress bounds the nodes from outside that are listed at one address, and maxPerNetwork those in one IPv4
	// network of 24 bits or IPv6 network of 48 bits.
	maxPerAddress = 32
	maxPerNetwork = 128
	// maxPerLoopback bounds the nodes from outside on the registry's own machine.
	maxPerLoopback = MaxNodes / 2
)

var (
	errUnreachable = fmt.Errorf("%w: no node with this key answers at its address", ErrRegistration)
	errScope       = fmt.Errorf("%w: the address cannot be reached from everywhere the registry can", ErrRegistration)
	errCrowded     = fmt.Errorf("%w: too many nodes at this address", ErrRegistration)
	errFull        = fmt.Errorf("%w: the network is full", ErrRegistration)
	// errBusyRegistry is temporary. It is no ErrRegistration, which is final.
	errBusyRegistry = errors.New("too many registrations, try again later")
)

// admission decides which nodes from outside a registry lists.
type admission struct {
	listens       netip.Addr // address of the registry; the zero Addr stands for a public address
	requests      *clients.Limiter
	registrations *clients.Limiter
	targets       *clients.Limiter // by the address that is challenged
	challenges    chan struct{}    // holds a token for each running challenge
	challenge     func(ctx context.Context, params nodelist.RegisterParams) error
}

func newAdmission() admission {
	return admission{
		requests:      clients.NewLimiter(requestRate, 2*requestRate),
		registrations: clients.NewLimiter(registrationRate, registrationBurst),
		targets:       clients.NewLimiter(registrationRate, registrationBurst),
		challenges:    make(chan struct{}, maxChallenges),
		challenge:     challenge,
	}
}

// challenge returns errUnreachable unless a node proves at the address in params that it has the Ed25519 key in params:
// TLS makes it sign the handshake with the key of its certificate.
func challenge(ctx context.Context, params nodelist.RegisterParams) error {
	key, ok := ring.ParseKey(params.PubkeyEd25519)
	if !ok {
		return errUnreachable
	}
	ctx, cancel := context.WithTimeout(ctx, challengeTimeout)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName:         storage.SnodeAddress(key),
		InsecureSkipVerify: true, // no authority certifies nodes; VerifyPeer checks the key
		VerifyConnection:   ring.VerifyPeer,
		MinVersion:         tls.VersionTLS12,
	}}
	conn, err := dialer.DialContext(ctx, "tcp", hostPort(params))
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return conn.Close()
}

func hostPort(params nodelist.RegisterParams) string {
	return net.JoinHostPort(params.PublicIP, strconv.Itoa(int(params.StoragePort)))
}

// announce handles the announcement of a node. It registers the node after a challenge. remote is the client's host and
// port. The error is that of register, or errBusyRegistry.
func (r *registry) announce(ctx context.Context, remote string, params nodelist.RegisterParams) error {
	a := &r.admission
	if !a.registrations.Allow(remote, r.now()) {
		return errBusyRegistry
	}
	if err := r.check(params); err != nil {
		return err
	}
	if !a.targets.Allow(hostPort(params), r.now()) {
		return errBusyRegistry
	}
	select {
	case a.challenges <- struct{}{}:
	case <-ctx.Done():
		return errBusyRegistry
	}
	err := a.challenge(ctx, params)
	<-a.challenges
	if err != nil {
		return err
	}
	return r.register(params)
}

// check makes all checks of an announcement but the challenge.
func (r *registry) check(params nodelist.RegisterParams) error {
	if err := checkRegistration(params, r.now()); err != nil {
		return err
	}
	if !r.admission.inScope(params.PublicIP) {
		return errScope
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.room(params)
}

// inScope reports whether clients that reach the registry can reach an address. Loopback addresses need a registry on
// loopback; private addresses need a registry on loopback or on a private address.
func (a *admission) inScope(text string) bool {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	switch {
	case !ip.IsValid() || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() || ip == broadcast:
		return false
	case ip.IsLoopback():
		return a.listens.IsLoopback()
	case ip.IsPrivate() || ip.IsLinkLocalUnicast():
		return a.listens.IsLoopback() || a.listens.IsPrivate() || a.listens.IsLinkLocalUnicast()
	}
	return true
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// room returns an error unless the list has room for a node at the address in params, or has the node already and the
// announcement is newer.
func (s *registryState) room(params nodelist.RegisterParams) error {
	ip, err := netip.ParseAddr(params.PublicIP)
	if err != nil {
		return errScope
	}
	outside, atAddress, inNetwork := 0, 0, 0
	for _, node := range s.Nodes {
		if node.PubkeyEd25519 == params.PubkeyEd25519 {
			if node.RegisteredMS >= params.TimestampMS {
				return fmt.Errorf("%w: not newer than the last one", ErrRegistration)
			}
			continue
		}
		if node.PublicIP == params.PublicIP && node.StoragePort == params.StoragePort && !node.Own {
			continue // the new node replaces it
		}
		outside++
		other, err := netip.ParseAddr(node.PublicIP)
		if err != nil || node.Own {
			continue
		}
		if clients.Network(other) == clients.Network(ip) {
			atAddress++
		}
		if wideNetwork(other) == wideNetwork(ip) {
			inNetwork++
		}
	}
	most, mostInNetwork := maxPerAddress, maxPerNetwork
	if ip.Unmap().IsLoopback() {
		most, mostInNetwork = maxPerLoopback, maxPerLoopback
	}
	switch {
	case outside >= MaxNodes:
		return errFull
	case atAddress >= most || inNetwork >= mostInNetwork:
		return errCrowded
	}
	return nil
}

// wideNetwork returns the network that one operator may control: 24 bits of IPv4, 48 bits of IPv6, all of loopback.
func wideNetwork(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 24
	switch {
	case ip.IsLoopback():
		bits = 8
	case ip.Is6():
		bits = 48
	}
	prefix, _ := ip.Prefix(bits) // fails only for more bits than the address has
	return prefix
}
