// Package keystore is the encrypted storage of sessiontool: records of several accounts in one bbolt file.
//
// It does not know what it keeps. Callers give named tables of opaque values; only lib/account knows their meaning.
//
// What it promises:
//
//   - Nothing readable on disk. Values, record names, table names and account names are sealed with
//     XChaCha20-Poly1305 or replaced by a keyed hash. The file shows how many records there are, how long they are and
//     the sequence numbers of ordered tables.
//   - A value is only ever read back from where it was written: account, table and key are authenticated with it, so
//     a value that was changed, or moved to another place, is ErrCorrupt.
//   - An Update is durable when it returns, and all of it or none of it happens, also after kill -9 or a power cut.
//   - No long lock. The file is opened, locked, committed and closed per transaction, so a process that runs for days
//     never blocks another one.
//
// What it does not promise: someone who can write to the directory can delete records or put back an older state,
// unnoticed. And bbolt trusts the pointers between its pages: damage there is nearly always reported as ErrCorrupt, or
// looks like deleted records, but a page that was made to point at itself ends the process. Deleted values stay in the
// file, sealed, until their pages are used again, and so does the data key as it was sealed under a former passphrase.
//
// # Files
//
// A keystore is a directory of mode 0700 with keystore.db and, unless it has a passphrase, keystore.key, both of mode
// 0600. All records are in one bbolt bucket: see header.go for the two that are not sealed, and section.go for the rest.
package keystore
