// Package tree keeps a sorted map of bytes in one file of sealed pages. It is a copy-on-write B+ tree.
//
// What it promises:
//
//   - Confidentiality. The file shows only its size, the head and the number of transactions.
//   - Integrity. A transaction reads what the last commit wrote, as a whole. Each page is sealed under its own key,
//     which only the page above it contains; the topmost key is sealed under the file's key. A changed, moved or
//     replayed page, a missing record, and a wrong list of free pages are ErrCorrupt.
//   - Erasure. Replaced and deleted records are unreadable when Commit returns. The keys of replaced pages are only in
//     replaced pages, and the topmost key is in the former slot, which Commit overwrites. Replaced pages stay in the
//     file, but no key opens them.
//   - Durability and atomicity. A commit is durable when it returns, and happens completely or not at all, also after
//     kill -9 or a power cut.
//
// The caller holds a lock: shared to read, exclusive to write.
//
// # The file
//
// Pages have 4096 bytes. Pages 0 and 1 are slots (slot.go). The others are nodes (node.go) and runs of pages for long
// values (page.go). A commit writes the changed pages and the nodes above them to free pages, and the new state into
// the blank slot. After one sync it erases the former slot.
//
// Pages and slot reach the disk in one sync, so after a power cut the new slot may exist without its pages. The former
// slot then still exists, because it is erased only after the sync. The new slot lists the pages written with it and
// has their digest. If both slots exist, the new one counts only if the digest is right.
package tree
