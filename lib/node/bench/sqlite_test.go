package bench

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"sessiontool/lib/storage"
)

// The database of the 2020 server: SQLite's defaults, which are a rollback journal that is deleted and
// synchronous=FULL, one table with two indexes, and one autocommit INSERT for a store (storage-2.0.md section 6).
var sqliteSetup = []string{
	"PRAGMA journal_mode=DELETE",
	"PRAGMA synchronous=FULL",
	`CREATE TABLE Data (Hash VARCHAR(128) NOT NULL, Owner VARCHAR(256) NOT NULL, TTL INTEGER NOT NULL,
		Timestamp INTEGER NOT NULL, TimeExpires INTEGER NOT NULL, Nonce VARCHAR(128) NOT NULL, Data BLOB)`,
	"CREATE UNIQUE INDEX idx_data_hash ON Data (Hash)",
	"CREATE INDEX idx_data_owner ON Data (Owner)",
}

const sqliteInsert = "INSERT INTO Data (Hash, Owner, TTL, Timestamp, TimeExpires, Nonce, Data) VALUES (?,?,?,?,?,?,?)"

// sqliteInserts stores messages for the given time without HTTP, TLS and proof of work. It returns the inserts per
// second.
func sqliteInserts(b *testing.B, during time.Duration) float64 {
	b.Helper()
	ctx := context.Background()
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "storage.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range sqliteSetup {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			b.Fatal(err)
		}
	}
	insert, err := conn.PrepareContext(ctx, sqliteInsert)
	if err != nil {
		b.Fatal(err)
	}
	defer insert.Close()
	count, start, now := 0, time.Now(), time.Now().UnixMilli()
	for ; time.Since(start) < during; count++ {
		hash := fmt.Sprintf("%0128x", uint64(count)*0x9e3779b97f4a7c15) // far apart, as hashes are
		owner := fmt.Sprintf("05%064x", count%owners)
		ttl, nonce := int64(storage.MaxTTLMillis20), "AAAAAAAAAS0="
		if _, err := insert.ExecContext(ctx, hash, owner, ttl, now, now+ttl, nonce, data); err != nil {
			b.Fatal(err)
		}
	}
	return float64(count) / time.Since(start).Seconds()
}
