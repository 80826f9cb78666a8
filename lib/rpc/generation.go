package rpc

// Generation names one of the two storage RPCs, as network files and records do. Both share the onion requests, the
// envelope around messages, and the arithmetic of swarms.
type Generation string

const (
	// Generation2020 asks for a proof of work with every message and keeps it for 4 days at most.
	Generation2020 Generation = "2020"
	// GenerationToday has namespaces, signed requests and members that sign what they did.
	GenerationToday Generation = "today"
)

// Known reports whether g is one of the two.
func (g Generation) Known() bool { return g == Generation2020 || g == GenerationToday }

// MaxTTLMillis is how long a message to a person may be kept at most, in milliseconds.
func (g Generation) MaxTTLMillis() int64 {
	if g == GenerationToday {
		return NamespaceMessages.MaxTTL().Milliseconds()
	}
	return MaxTTLMillis
}
