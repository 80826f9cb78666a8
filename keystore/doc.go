// Package keystore is the encrypted storage of sessiontool: the records of several accounts in one file.
//
// It stores named tables of opaque values. Only [sessiontool/lib/account] knows what they mean.
//
// What it promises:
//
//   - Confidentiality. All records are in sealed pages; names of accounts, tables and records are stored as keyed
//     hashes. The file shows only its size and the number of transactions.
//   - Integrity. A read returns what the last Update wrote, as a whole. A changed, lost, moved or replayed page is
//     ErrCorrupt and never a missing record. Check reads everything; commands read what they need.
//   - Erasure. Replaced and deleted records are gone from the file when Update returns. They are gone from the disk
//     when the system flushes its cache, or after the next Update or Compact.
//   - Durability and atomicity. An Update is durable when it returns, and happens completely or not at all, also after
//     kill -9 or a power cut.
//   - Short locks. Each transaction opens, locks, commits and closes the file, so a process that runs for days never
//     blocks another one.
//
// What it does not promise: an attacker with write access to the directory can put back an older file, and the keystore
// does not notice. The keystore also cannot erase former content that disks, file systems and memory retain.
//
// # Files
//
// A keystore is a directory of mode 0700. It has keystore.db and, unless a passphrase protects it, keystore.key, both
// of mode 0600. The file is a tree of [sessiontool/keystore/internal/tree]; header.go describes the caller's part of
// its head, and section.go the keys of records. A keystore of format 1 is converted when it is opened; see format1.go.
package keystore
