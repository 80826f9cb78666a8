// Package interop plays our X3DH and Double Ratchet against go.mau.fi/libsignal, an independent implementation of the
// Signal protocol that the 2020 clients understand as well (signal-2020.md section 15). It holds tests and benchmarks
// alone, in a module of its own so that the peer is no dependency of the program. It promises that what one side makes
// the other one reads.
package interop
