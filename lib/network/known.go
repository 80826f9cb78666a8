package network

import (
	"maps"
	"slices"

	"sessiontool/lib/record"
	"sessiontool/lib/storage"
)

// mainnetPins are the certificates of mainnet's seeds (storage-2.8.md section 10), as SHA-256 in hex. They are good
// until April 2033.
var mainnetPins = map[string]string{
	"https://seed1.getsession.org:4443": "36ea0b253537988551ee856e4fd20d55011e9c8b27eaa2f34b8f32a0bdf04f2d",
	"https://seed2.getsession.org:4443": "c5908dd4139acd96aedd1e45576597650809c8a5ea02af556d4853d45396e0e7",
	"https://seed3.getsession.org:4443": "8a0af2c712342f22ce00e53c1601410ef8d84156aee0a9809c32f6f7efbe556e",
}

// testnetSeed has no TLS.
const testnetSeed = "http://seed2.getsession.org:38157"

// Known returns a public network by its name: mainnet, which the phones of the world use, or testnet. What stands here
// was read in the client that uses it (Session Desktop, April 2026) and never tried from where this was written, which
// has no way to the internet.
func Known(name string) (known record.Network, ok bool) {
	known = record.Network{Name: name, Generation: string(storage.Generation28)}
	switch name {
	case "mainnet":
		known.Seeds, known.Pins = slices.Sorted(maps.Keys(mainnetPins)), maps.Clone(mainnetPins)
	case "testnet":
		known.Seeds = []string{testnetSeed}
	default:
		return record.Network{}, false
	}
	return known, true
}
