package pow_test

import (
	"context"
	"fmt"

	"sessiontool/lib/pow"
)

// A client solves the proof of work of a store request. The server verifies it at its own difficulty.
func Example() {
	message := pow.Message{
		PubKey:    "05" + "0000000000000000000000000000000000000000000000000000000000000001",
		Timestamp: "1590000000000", TTL: "86400000", Data: "ZGF0YQ==",
	}
	const ttlMillis, difficulty = 86400000, 1
	target := pow.Target(message.PayloadLen(), ttlMillis, difficulty)
	nonce, err := pow.Solve(context.Background(), message.Inner(), target, pow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	text := pow.EncodeNonce(nonce)
	fmt.Println("nonce", text, "after", pow.Expected(message.PayloadLen(), ttlMillis, difficulty), "hashes on average")

	received, err := pow.DecodeNonce(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	hash, ok := pow.Verify(message, received, difficulty)
	fmt.Printf("message hash %x..., accepted %v\n", hash[:4], ok)
	// Output:
	// nonce AAAAAAAAAcM= after 238 hashes on average
	// message hash 00be3455..., accepted true
}
