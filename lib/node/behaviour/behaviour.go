// Package behaviour has all differences between versions of the storage server and this program's own nodes.
package behaviour

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/x25519"
)

// Rules hold the differences of one version. No other code depends on a version. [Own], [Like207], [Like280] and
// [Like211] are the presets.
type Rules struct {
	// Name is the preset's name, empty for Own.
	Name string
	// Generation is the only generation that servers of this version serve; empty means both.
	Generation storage.Generation
	// Version is the version that clients of storage RPC 2.8 get; those of 2.0 get the fixed text of 2.0.7.
	Version [3]int
	// Server is the HTTP header of this name; empty means none.
	Server string
	// Date adds the HTTP header Date to answers.
	Date bool

	// TLS is the offer to clients. It does not apply between nodes.
	TLS TLS
	// OneRequest closes every connection after one answer.
	OneRequest bool
	// IdleTimeout bounds the time between two requests of a connection.
	IdleTimeout time.Duration
	// HangUpOnLarge closes the connection at a body over the limit, without an answer.
	HangUpOnLarge bool

	// HopTimeout bounds the time that a relay waits for the next hop.
	HopTimeout time.Duration
	// MemberTimeout bounds the time that a change waits for the other members of the swarm.
	MemberTimeout time.Duration
	// Patient makes a node wait for the whole HopTimeout or MemberTimeout even if a connection is refused or breaks, as
	// the message queues of the real servers do, which reconnect until the time is over.
	Patient bool
	// ArrivalSpread is the longest random delay of messages from another member of the swarm. Messages that arrive
	// together are stored in random order, so that each member has an order of its own. 0 means neither.
	ArrivalSpread time.Duration

	// LongPages gives clients of storage RPC 2.0 that ask for it more messages than ten.
	LongPages bool
	// Listens enables listen and deliver, the methods of the synchronous route.
	Listens bool
	// AllowUnsigned serves retrieve requests without a signature, as 2020 clients send them.
	AllowUnsigned bool
	// RateLimit is that of nodes whose configuration has none.
	RateLimit int
	// OwnFailures answers a change that failed on this node with status 200 and query_failure in the members' results.
	// Otherwise the request fails.
	OwnFailures bool
	// AllFailedStatus is the status of a change that failed on every member. It needs OwnFailures.
	AllFailedStatus int
	// RefusesCBC makes onion layers in aes-cbc unreadable.
	RefusesCBC bool
	// ActiveNodes enables active_nodes_bin, and lists registered nodes without an address.
	ActiveNodes bool
	// TestBox reserves rpc28.NamespaceTest: stores are refused, reads are empty.
	TestBox bool
}

// TLS are what a node offers to clients.
type TLS struct {
	Min, Max    uint16        // versions; Max 0 means the latest
	Suites      []uint16      // of TLS 1.2; nil means those of crypto/tls
	Curves      []tls.CurveID // nil means those of crypto/tls
	Tickets     bool          // whether sessions can be resumed
	Certificate ring.CertificateSpec
}

const (
	// HopTimeout is that of Own, and of 2.0.7 (storage-2.0.md section 7.4).
	HopTimeout = 10 * time.Second
	// MemberTimeout is that of all servers (storage-2.8.md section 4.3).
	MemberTimeout = 5 * time.Second
	// ReadTimeout bounds the time that a request may take to arrive.
	ReadTimeout = 30 * time.Second
	// IdleTimeout is that of Own.
	IdleTimeout = 120 * time.Second
	// DefaultRateLimit is the 2020 server's number of requests a second from one address (storage-2.0.md section 9).
	DefaultRateLimit = 300
)

// Own is how this program's own nodes behave.
var Own = Rules{
	Version: [3]int{2, 8, 0}, Date: true,
	TLS:         TLS{Min: tls.VersionTLS12, Tickets: true},
	IdleTimeout: IdleTimeout, HopTimeout: HopTimeout, MemberTimeout: MemberTimeout, Listens: true, LongPages: true,
}

// Like207 is storage server 2.0.7 (storage-2.0.md sections 1, 2 and 7 to 9). It sends a new message to the other
// members after up to 350 ms.
var Like207 = Rules{
	Name: "2.0.7", Generation: storage.Generation20, Version: [3]int{2, 0, 7},
	TLS: TLS{Min: tls.VersionTLS12, Max: tls.VersionTLS12, Tickets: true, Certificate: ring.CertificateSpec{
		Key: ring.KeyRSA2048, Subject: pkix.Name{Country: []string{"AU"}, Organization: []string{"Loki"}},
	}},
	OneRequest: true, IdleTimeout: ReadTimeout, HangUpOnLarge: true,
	HopTimeout: HopTimeout, MemberTimeout: MemberTimeout, Patient: true, ArrivalSpread: 350 * time.Millisecond,
	AllowUnsigned: true, RateLimit: DefaultRateLimit,
}

// Like280 is storage server 2.8.0 (storage-2.8.md sections 1, 4, 8 and 12).
var Like280 = Rules{
	Name: "2.8.0", Generation: storage.Generation28, Version: [3]int{2, 8, 0}, Server: "Oxen Storage Server/2.8.0",
	TLS: TLS{Min: tls.VersionTLS12, Tickets: true, Certificate: ring.CertificateSpec{
		Key: ring.KeyRSA2048, Subject: pkix.Name{Organization: []string{"Oxen"}},
	}},
	IdleTimeout: 10 * time.Second, HopTimeout: 30 * time.Second, MemberTimeout: MemberTimeout, Patient: true,
	ArrivalSpread: DefaultArrivalSpread, RateLimit: DefaultRateLimit,
	OwnFailures: true, AllFailedStatus: storage.StatusOK,
}

// Like211 is Like280 with the rules of later servers, as read in source text up to 2.11.3 (storage-2.8.md sections 1, 3
// and 8).
var Like211 = func() Rules {
	b := Like280
	b.Name, b.Version, b.Server = "2.11", [3]int{2, 11, 3}, "Oxen Storage Server/2.11.3"
	b.TLS = TLS{
		Min: tls.VersionTLS12, Curves: []tls.CurveID{tls.X25519, tls.CurveP256},
		Suites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		Certificate: ring.CertificateSpec{Subject: b.TLS.Certificate.Subject},
	}
	b.AllFailedStatus, b.RefusesCBC, b.ActiveNodes, b.TestBox = 500, true, true, true
	return b
}()

// DefaultArrivalSpread is an ArrivalSpread of servers that pass messages on at once.
const DefaultArrivalSpread = 20 * time.Millisecond

// Presets returns the rules that have names.
func Presets() []*Rules { return []*Rules{&Like207, &Like280, &Like211} }

// Likenesses are the names of the presets, that of Own excluded.
func Likenesses() []string {
	var names []string
	for _, preset := range Presets() {
		names = append(names, preset.Name)
	}
	return names
}

// Like returns the preset called name. The empty name is that of Own.
func Like(name string) (Rules, error) {
	if name == "" {
		return Own, nil
	}
	for _, preset := range Presets() {
		if preset.Name == name {
			return *preset, nil
		}
	}
	return Rules{}, fmt.Errorf("no storage server %q is known, only %v", name, Likenesses())
}

// Faster returns the rules with all its times divided by factor, for tests.
func (b Rules) Faster(factor int) Rules {
	for _, d := range []*time.Duration{&b.IdleTimeout, &b.HopTimeout, &b.MemberTimeout, &b.ArrivalSpread} {
		*d /= time.Duration(factor)
	}
	return b
}

// GiveUp delays the report of a failed request to another node: a patient node waits until ctx, which bounds the
// request, ends.
func (b *Rules) GiveUp(ctx context.Context) {
	if b.Patient {
		<-ctx.Done()
	}
}

// SetHeader adds the headers that every answer has.
func (b *Rules) SetHeader(header http.Header, now time.Time) {
	header["Date"] = nil // keeps net/http from adding the machine's time
	if b.Date {
		header["Date"] = []string{now.UTC().Format(http.TimeFormat)}
	}
	if b.Server != "" {
		header["Server"] = []string{b.Server}
	}
}

// Config is the TLS configuration for clients.
func (r TLS) Config(certificate tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: r.Min, MaxVersion: r.Max, CipherSuites: r.Suites,
		CurvePreferences: r.Curves, SessionTicketsDisabled: !r.Tickets,
	}
}

// OpenLayer is [onion.Open] for the ciphers of these rules. Another cipher is a malformed request.
func (b *Rules) OpenLayer(version onion.Version, key x25519.KeyPair, body []byte) (*onion.Layer, error) {
	if b.RefusesCBC {
		return onion.OpenAuthenticated(version, key, body)
	}
	return onion.Open(version, key, body)
}

// ArrivalDelay returns a random delay for messages of another member.
func (b *Rules) ArrivalDelay() time.Duration {
	if b.ArrivalSpread == 0 {
		return 0
	}
	return mathrand.N(b.ArrivalSpread)
}

// FailedStatus returns the status of a change that failed on this node.
func (b *Rules) FailedStatus(results map[string]rpc28.MemberResult) int {
	for _, result := range results {
		if !result.Failed {
			return storage.StatusOK
		}
	}
	return b.AllFailedStatus
}
