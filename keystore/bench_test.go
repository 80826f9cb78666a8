package keystore

import "testing"

// BenchmarkOpenUpdate is one durable write of a short command: open with the key file, one Update with its sync.
func BenchmarkOpenUpdate(b *testing.B) {
	dir := newTestStore(b).dir
	value := make([]byte, 1024)
	for b.Loop() {
		store, err := Open(b.Context(), dir, Unlock{}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		update(b, store, "alice", func(tx *Tx) error { return tx.Put("sessions", "bob", value) })
	}
}

// BenchmarkOpen is the part of it that does not wait for the disk.
func BenchmarkOpen(b *testing.B) {
	dir := newTestStore(b).dir
	for b.Loop() {
		if _, err := Open(b.Context(), dir, Unlock{}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkView(b *testing.B) {
	store := newTestStore(b)
	put(b, store, "alice", "sessions", "bob", string(make([]byte, 1024)))
	for b.Loop() {
		get(b, store, "alice", "sessions", "bob")
	}
}
