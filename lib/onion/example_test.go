package onion_test

import (
	"fmt"
	"math/rand/v2"

	"sessiontool/lib/onion"
	"sessiontool/lib/x25519"
)

// A client wraps a request for a target behind three relays. Each hop opens one layer. Only the client reads the
// target's response.
func Example() {
	random := rand.NewChaCha8([32]byte{1}) // a program uses crypto/rand
	var path []onion.Hop
	var keys []x25519.KeyPair // of the hops
	for i := range 4 {
		pair, _ := x25519.GenerateKey(random)
		keys = append(keys, pair)
		path = append(path, onion.Hop{Ed25519: [32]byte{byte(i)}, X25519: pair.Public})
	}
	request, err := onion.Wrap(random, onion.V2, path[:3], path[3], []byte(`{"method":"info"}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	var layer *onion.Layer
	body := request.Body
	for _, pair := range keys {
		if layer, err = onion.Open(onion.V2, pair, body); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s to %.8q, payload %q\n", layer.Step, layer.Destination, layer.Payload)
		body = layer.Body
	}

	sealed, _ := layer.SealResponse(random, 200, `{"version":[2,8,0]}`)
	response, err := request.OpenResponse(sealed)
	fmt.Println(response.Status, response.Body, err)
	// Output:
	// relay to "01000000", payload ""
	// relay to "02000000", payload ""
	// relay to "03000000", payload ""
	// final to "", payload "{\"method\":\"info\"}"
	// 200 {"version":[2,8,0]} <nil>
}
