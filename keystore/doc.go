// Package keystore is the encrypted storage of sessiontool: records of several accounts in one bbolt file.
//
// It does not know what it keeps. Callers give named tables of opaque values; only lib/account knows their meaning.
//
// What it promises:
//
//   - Nothing readable on disk. All records are in a file of sealed pages, and record, table and account names are in
//     it as keyed hashes. The file shows its size and how many transactions there were.
//   - What is read is what the last Update wrote, as a whole: a page that was changed, lost, moved or put back is
//     ErrCorrupt, and never fewer records. Check reads everything; commands read what they need.
//   - What was replaced or deleted is gone from the file when the Update returns, and from the disk when the system
//     writes its cache, or with the next Update or Compact.
//   - An Update is durable when it returns, and all of it or none of it happens, also after kill -9 or a power cut.
//   - No long lock. The file is opened, locked, committed and closed per transaction, so a process that runs for days
//     never blocks another one.
//
// What it does not promise: an attacker who can write to the directory can put back an older file, unnoticed. What disks,
// file systems and memory keep of former content is out of its reach.
//
// # Files
//
// A keystore is a directory of mode 0700 with keystore.db and, unless it has a passphrase, keystore.key, both of mode
// 0600. The file is a tree, see package tree; header.go has its caller's part, and section.go the keys of records. A
// keystore of format 1 is converted when it is opened, see format1.go.
package keystore
