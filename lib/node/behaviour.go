package node

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/x25519"
)

// Behaviour holds all differences between versions of the storage server and this program's own nodes. No other code
// depends on a version. [Own], [Like207], [Like280] and [Like211] are the presets.
type Behaviour struct {
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
	TLS TLSRules
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

	// Listens enables listen and deliver, the methods of the synchronous route.
	Listens bool
	// AllowUnsigned is as in Config.
	AllowUnsigned bool
	// RateLimit is that of nodes whose Config has none.
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

// TLSRules are what a node offers to clients.
type TLSRules struct {
	Min, Max    uint16        // versions; Max 0 means the latest
	Suites      []uint16      // of TLS 1.2; nil means those of crypto/tls
	Curves      []tls.CurveID // nil means those of crypto/tls
	Tickets     bool          // whether sessions can be resumed
	Certificate ring.CertificateSpec
}

// Own is how this program's own nodes behave.
var Own = Behaviour{
	Version: [3]int{2, 8, 0}, Date: true,
	TLS:         TLSRules{Min: tls.VersionTLS12, Tickets: true},
	IdleTimeout: idleTimeout, HopTimeout: hopTimeout, MemberTimeout: forwardTimeout, Listens: true,
}

// Like207 is storage server 2.0.7 (storage-2.0.md sections 1, 2 and 7 to 9). It sends a new message to the other
// members after up to 350 ms.
var Like207 = Behaviour{
	Name: "2.0.7", Generation: storage.Generation20, Version: [3]int{2, 0, 7},
	TLS: TLSRules{Min: tls.VersionTLS12, Max: tls.VersionTLS12, Tickets: true, Certificate: ring.CertificateSpec{
		Key: ring.KeyRSA2048, Subject: pkix.Name{Country: []string{"AU"}, Organization: []string{"Loki"}},
	}},
	OneRequest: true, IdleTimeout: readTimeout, HangUpOnLarge: true,
	HopTimeout: hopTimeout, MemberTimeout: forwardTimeout, Patient: true, ArrivalSpread: 350 * time.Millisecond,
	AllowUnsigned: true, RateLimit: DefaultRateLimit,
}

// Like280 is storage server 2.8.0 (storage-2.8.md sections 1, 4, 8 and 12).
var Like280 = Behaviour{
	Name: "2.8.0", Generation: storage.Generation28, Version: [3]int{2, 8, 0}, Server: "Oxen Storage Server/2.8.0",
	TLS: TLSRules{Min: tls.VersionTLS12, Tickets: true, Certificate: ring.CertificateSpec{
		Key: ring.KeyRSA2048, Subject: pkix.Name{Organization: []string{"Oxen"}},
	}},
	IdleTimeout: 10 * time.Second, HopTimeout: 30 * time.Second, MemberTimeout: forwardTimeout, Patient: true,
	ArrivalSpread: DefaultArrivalSpread, RateLimit: DefaultRateLimit,
	OwnFailures: true, AllFailedStatus: storage.StatusOK,
}

// Like211 is Like280 with the rules of later servers, as read in source text up to 2.11.3 (storage-2.8.md sections 1, 3
// and 8).
var Like211 = func() Behaviour {
	b := Like280
	b.Name, b.Version, b.Server = "2.11", [3]int{2, 11, 3}, "Oxen Storage Server/2.11.3"
	b.TLS = TLSRules{
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

// presets are the behaviours that have names.
var presets = []*Behaviour{&Like207, &Like280, &Like211}

// Likenesses are the names of the presets, that of Own excluded.
func Likenesses() []string {
	names := make([]string, len(presets))
	for i, preset := range presets {
		names[i] = preset.Name
	}
	return names
}

// BehaviourLike returns the preset called name. The empty name is that of Own.
func BehaviourLike(name string) (Behaviour, error) {
	if name == "" {
		return Own, nil
	}
	i := slices.IndexFunc(presets, func(b *Behaviour) bool { return b.Name == name })
	if i < 0 {
		return Behaviour{}, fmt.Errorf("no storage server %q is known, only %v", name, Likenesses())
	}
	return *presets[i], nil
}

// Faster returns the behaviour with all its times divided by factor, for tests.
func (b Behaviour) Faster(factor int) Behaviour {
	for _, d := range []*time.Duration{&b.IdleTimeout, &b.HopTimeout, &b.MemberTimeout, &b.ArrivalSpread} {
		*d /= time.Duration(factor)
	}
	return b
}

// giveUp delays the report of a failed request to another node: a patient node waits until ctx, which bounds the
// request, ends.
func (b *Behaviour) giveUp(ctx context.Context) {
	if b.Patient {
		<-ctx.Done()
	}
}

// SetHeader adds the headers that every answer has.
func (b *Behaviour) SetHeader(header http.Header, now time.Time) {
	header["Date"] = nil // keeps net/http from adding the machine's time
	if b.Date {
		header["Date"] = []string{now.UTC().Format(http.TimeFormat)}
	}
	if b.Server != "" {
		header["Server"] = []string{b.Server}
	}
}

// clients is the TLS configuration for clients.
func (r TLSRules) clients(certificate tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: r.Min, MaxVersion: r.Max, CipherSuites: r.Suites,
		CurvePreferences: r.Curves, SessionTicketsDisabled: !r.Tickets,
	}
}

// openLayer is [onion.Open] for the ciphers of this behaviour. Another cipher is a malformed request.
func (b *Behaviour) openLayer(version onion.Version, key x25519.KeyPair, body []byte) (*onion.Layer, error) {
	if b.RefusesCBC {
		return onion.OpenAuthenticated(version, key, body)
	}
	return onion.Open(version, key, body)
}

// arrivalDelay returns a random delay for messages of another member.
func (b *Behaviour) arrivalDelay() time.Duration {
	if b.ArrivalSpread == 0 {
		return 0
	}
	return mathrand.N(b.ArrivalSpread)
}

// shuffle brings records that arrived together into random order.
func (b *Behaviour) shuffle(records []store.Record) {
	if b.ArrivalSpread > 0 {
		mathrand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	}
}

// reserved refuses a store to the reserved namespace.
func (b *Behaviour) reserved(change change) error {
	if s, ok := change.(*storeRequest); ok && b.TestBox && s.message.Namespace == rpc28.NamespaceTest {
		return refuse(storage.StatusUnauthorized, "store: namespace %d is reserved", rpc28.NamespaceTest)
	}
	return nil
}

// failedStatus returns the status of a change that failed on this node.
func (b *Behaviour) failedStatus(results map[string]rpc28.MemberResult) int {
	for _, result := range results {
		if !result.Failed {
			return storage.StatusOK
		}
	}
	return b.AllFailedStatus
}
