// Package distance measures the program over real distance: a network whose nodes answer late, hang or lose requests.
//
// All code is in tests. scripts/bench-distance measures the built program against a devnet of its own, in real time. The
// tests run the commands on a virtual clock, where a request costs its distance and nothing else, and so count the onion
// round trips that follow each other.
package distance
