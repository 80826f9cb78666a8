// Package clients bounds what the clients of a server can take from each other, and recognizes browsers.
package clients

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxAddresses is how many client addresses are kept at a time (storage-2.0.md section 9).
const maxAddresses = 10000

// Limiter is a token bucket for each client address. A nil Limiter lets everything pass. It is safe for concurrent use.
type Limiter struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[netip.Prefix]*rate.Limiter
	cleaned time.Time
}

// NewLimiter makes a Limiter of so many requests a second with such a burst. For a rate below 1 it returns nil, no
// limit.
func NewLimiter(perSecond, burst int) *Limiter {
	if perSecond < 1 {
		return nil
	}
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, buckets: make(map[netip.Prefix]*rate.Limiter)}
}

// Allow takes a token from the bucket of remote, a host and port.
func (l *Limiter) Allow(remote string, now time.Time) bool {
	if l == nil {
		return true
	}
	source, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	bucket := l.bucket(Network(source.Addr()), now)
	return bucket != nil && bucket.AllowN(now, 1)
}

// Network is what counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is what one client is
// given.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // fails only for more bits than the address has
	return prefix
}

// bucket returns the bucket of source, or nil if there are too many others that are in use.
func (l *Limiter) bucket(source netip.Prefix, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket := l.buckets[source]
	if bucket != nil {
		return bucket
	}
	if len(l.buckets) >= maxAddresses {
		l.clean(now)
	}
	if len(l.buckets) >= maxAddresses {
		return nil
	}
	bucket = rate.NewLimiter(l.rate, l.burst)
	l.buckets[source] = bucket
	return bucket
}

// clean forgets full buckets, which are as good as new ones, at most once a second.
func (l *Limiter) clean(now time.Time) {
	if now.Sub(l.cleaned).Abs() < time.Second {
		return
	}
	l.cleaned = now
	for source, bucket := range l.buckets {
		if bucket.TokensAt(now) >= float64(bucket.Burst()) {
			delete(l.buckets, source)
		}
	}
}
