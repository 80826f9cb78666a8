// Package simulation searches for faults of the whole system by itself: accounts with their keystores, programs that are
// killed, nodes with their stores, and the network between them run in one process on a virtual clock, by a schedule
// that a seed makes. After the schedule, the invariants of docs/simulation.md must hold.
//
// All code is in tests, so that no program contains it. scripts/simulate runs it.
package simulation
