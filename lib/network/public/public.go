// Package public knows the public networks: their seeds, and the certificates of those.
package public

import (
	"maps"
	"slices"

	"sessiontool/lib/storage"
)

// mainnetPins are the certificates of mainnet's seeds (storage-2.8.md section 10), as SHA-256 in hex. They are valid
// until April 2033.
var mainnetPins = map[string]string{
	"https://seed1.getsession.org:4443": "36ea0b253537988551ee856e4fd20d55011e9c8b27eaa2f34b8f32a0bdf04f2d",
	"https://seed2.getsession.org:4443": "c5908dd4139acd96aedd1e45576597650809c8a5ea02af556d4853d45396e0e7",
	"https://seed3.getsession.org:4443": "8a0af2c712342f22ce00e53c1601410ef8d84156aee0a9809c32f6f7efbe556e",
}

// testnetSeed has no TLS.
const testnetSeed = "http://seed2.getsession.org:38157"

// Network is a public network. Pins are the SHA-256 digests, in hex, of the seeds' certificates, by URL.
type Network struct {
	Name       string
	Generation storage.Generation
	Seeds      []string
	Pins       map[string]string
}

// Known returns a public network by name: mainnet, the network of phones, or testnet. Its data was read in the source
// of Session Desktop (April 2026) and is untested: the machine on which this was written has no connection to the
// internet.
func Known(name string) (known Network, ok bool) {
	known = Network{Name: name, Generation: storage.Generation28}
	switch name {
	case "mainnet":
		known.Seeds, known.Pins = slices.Sorted(maps.Keys(mainnetPins)), maps.Clone(mainnetPins)
	case "testnet":
		known.Seeds = []string{testnetSeed}
	default:
		return Network{}, false
	}
	return known, true
}
