// Package tree keeps a sorted map of bytes in one file of sealed pages. It is a copy-on-write B+ tree.
//
// What it promises:
//
//   - Nothing readable in the file but its size, the head and how many transactions there were.
//   - What a transaction reads is what the last commit wrote, as a whole: each page is sealed under a key of its own,
//     which only the page above it has, and the topmost key is sealed under the file's key. A page that was changed,
//     moved or put back, a record that is missing, and a list of free pages that is wrong are ErrCorrupt.
//   - What was replaced or deleted is gone when Commit returns: the keys of replaced pages are in replaced pages only, and
//     the topmost one is in the former slot, which Commit overwrites. Replaced pages stay where they are; no key opens them.
//   - A commit is durable when it returns, and all of it or none of it is there, also after kill -9 or a power cut.
//
// The caller holds a lock: shared to read, exclusive to write.
//
// # The file
//
// Pages have 4096 bytes. Pages 0 and 1 are slots, see slot.go. The others are nodes, see node.go, and runs of pages for
// long values, see page.go. A commit writes the changed pages, and the nodes above them, to pages that were free, and the
// new state into the slot that is blank; after one sync it makes the former slot blank.
//
// Pages and slot go to the disk in one sync, so after a power cut the slot may be there without its pages. Then the former
// slot is there, too, because it is made blank after the sync: the new slot lists the pages that it came with and has
// their digest, and where two slots are there it counts only if the digest is right.
package tree
