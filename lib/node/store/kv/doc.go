// Package kv keeps a sorted map of bytes on disk for one process: a write-ahead log in front of a tree of checksummed
// pages.
//
// What it promises:
//
//   - Durability and atomicity. A transaction is on disk when [DB.Update] returns, and happens completely or not at all,
//     also after kill -9 or a power cut. It costs one sync.
//   - Integrity. A transaction reads what was committed, or fails with [ErrDamaged]: changed, swapped, missing or stale
//     pages and missing records of the log are noticed, records that were committed before a kill included. Damage
//     never panics.
//   - Snapshots. A transaction sees one state of the map. Readers do not wait for writers.
//   - Repair. [Salvage] reads what is whole in a damaged map.
//
// # How it works
//
// A commit appends its changes to a log (log.go) and syncs it. The changes are in memory, too, in a sorted table
// (table.go). When the table is large, it is frozen, a second log and an empty table take over, and the frozen table is
// written to the tree (tree.go) in the background. After that its log is free again. So the tree is written rarely and
// many changes at a time, and the logs are files of fixed size that are overwritten in turn, which is what a disk syncs
// fastest. A read looks in the table, the frozen table and the tree, in this order.
//
// The tree is copy-on-write. It is found through two slots, which have the same content unless a crash came between
// their writes. A slot says which transactions are in the tree. When a map is opened, the transactions after them are
// read from the logs.
package kv
