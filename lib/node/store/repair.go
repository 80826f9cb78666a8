package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sessiontool/lib/node/store/kv"
)

// damagedSuffix is added to the name of what [Repair] sets aside.
const damagedSuffix = ".damaged"

// Repaired says what [Repair] found.
type Repaired struct {
	Damage     []error // what was damaged; nil if nothing was, and then nothing was changed
	SetAside   string  // path of the damaged database; "" if nothing was damaged
	Messages   int     // messages in the new database
	Tombstones int     // tombstones in the new database
	Lost       int     // names whose message is damaged
}

// Repair checks the whole database in a node's data folder. If it is damaged, Repair makes a new one from what is whole,
// and sets the damaged one aside. Other members of the swarm have what is lost: the node gets it when it compares with
// them. The error is ErrInUse, ErrFolder, or that of ctx.
func Repair(ctx context.Context, dir string) (Repaired, error) {
	r := &repair{ctx: ctx, dir: dir}
	err := r.run()
	if errors.Is(err, kv.ErrInUse) {
		err = ErrInUse
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("repairing the database in %s: %w", dir, err)
	}
	return r.result, err
}

// finishRepair names the new database of a repair that was interrupted after it had set the damaged one aside.
func finishRepair(dir string) error {
	for _, name := range []string{FolderName, oldFileName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := nameDatabase(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// repair is a Repair in progress.
type repair struct {
	ctx    context.Context
	dir    string
	result Repaired
}

// salvageName is the name of the folder with the records that were found.
const salvageName = FolderName + ".salvaged"

func (r *repair) run() (err error) {
	if err := finishRepair(r.dir); err != nil {
		return err
	}
	path, read := filepath.Join(r.dir, FolderName), r.salvage
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		path, read = filepath.Join(r.dir, oldFileName), r.salvageOld
	}
	if _, err := os.Lstat(path); err != nil {
		return err
	}
	folder := filepath.Join(r.dir, salvageName)
	if err := errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	found, err := kv.Open(filepath.Join(folder, treeName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	if err := read(path, found); err != nil {
		return err
	}
	if err := r.rebuild(found); err != nil || r.result.Damage == nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(r.dir, newFolderName)))
	}
	r.result.SetAside = path + damagedSuffix
	if err := os.RemoveAll(r.result.SetAside); err != nil {
		return err
	}
	if err := os.Rename(path, r.result.SetAside); err != nil {
		return err
	}
	return nameDatabase(r.dir)
}

// salvage reads the folder of a database.
func (r *repair) salvage(path string, into *kv.DB) error {
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		r.result.Damage = append(r.result.Damage, fmt.Errorf("%w: %s is not a folder", ErrDamaged, path))
		return nil
	}
	salvaged, err := kv.Salvage(r.ctx, filepath.Join(path, treeName), into)
	r.result.Damage = salvaged.Damage
	if errors.Is(err, fs.ErrNotExist) {
		r.result.Damage, err = append(salvaged.Damage, err), nil
	}
	return err
}

// salvageOld reads the file of an old database up to the first damage.
func (r *repair) salvageOld(path string, into *kv.DB) error {
	err := copyOld(path, into)
	if errors.Is(err, ErrDamaged) {
		r.result.Damage, err = append(r.result.Damage, err), nil
	}
	return err
}

// rebuild makes a new database from the records that were found. Indexes and counts are made anew.
func (r *repair) rebuild(found *kv.DB) error {
	fresh, err := newDatabase(r.dir)
	if err != nil {
		return err
	}
	b := &rebuilder{ctx: r.ctx, into: fresh, result: &r.result}
	return errors.Join(found.View(b.run), b.write(), fresh.Close())
}

// rebuilder copies records into a new database.
type rebuilder struct {
	ctx     context.Context
	into    *kv.DB
	result  *Repaired
	pending []func(tx *kv.Tx) error
	size    int
	last    uint64 // the highest sequence number
}

// add adds a change of about size bytes to the next transaction.
func (b *rebuilder) add(size int, change func(tx *kv.Tx) error) error {
	b.pending, b.size = append(b.pending, change), b.size+size
	if len(b.pending) < migrateBatch && b.size < migrateBytes {
		return nil
	}
	return b.write()
}

func (b *rebuilder) write() error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	err := b.into.Update(func(tx *kv.Tx) error {
		for _, change := range b.pending {
			if err := change(tx); err != nil {
				return err
			}
		}
		return nil
	})
	b.pending, b.size = nil, 0
	return err
}

// each calls visit with all entries of a bucket.
func each(tx *kv.Tx, number byte, visit func(key, value []byte) error) error {
	cursor := tx.Bucket(number).Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		if err := visit(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (b *rebuilder) damaged(format string, args ...any) {
	b.result.Damage = append(b.result.Damage, fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...))
}

func (b *rebuilder) run(found *kv.Tx) error {
	b.last = found.Bucket(messageBucket).Sequence()
	err := each(found, metaBucket, func(key, value []byte) error {
		if bytes.Equal(key, formatKey) {
			return nil
		}
		return b.add(len(value), func(tx *kv.Tx) error { return tx.Bucket(metaBucket).Put(key, value) })
	})
	if err == nil {
		err = each(found, requestBucket, b.request)
	}
	if err == nil {
		err = each(found, nameBucket, func(key, value []byte) error { return b.name(found, key, value) })
	}
	if err == nil {
		err = b.write()
	}
	if err == nil {
		err = each(found, messageBucket, b.nameless)
	}
	if err != nil {
		return err
	}
	return b.add(0, func(tx *kv.Tx) error {
		return errors.Join(tx.Bucket(messageBucket).SetSequence(b.last),
			tx.Bucket(metaBucket).Put(formatKey, []byte{storeFormat}))
	})
}

func (b *rebuilder) request(key, value []byte) error {
	if _, request, err := cutNumber(value); err != nil || len(key) != len(RequestID{}) ||
		idOf(request) != RequestID(key) {
		b.damaged("an owner's request")
		return nil
	}
	return b.add(len(value), func(tx *kv.Tx) error { return tx.Bucket(requestBucket).Put(key, value) })
}

// name copies a message or tombstone.
func (b *rebuilder) name(found *kv.Tx, key, value []byte) error {
	p, err := parsePlace(value)
	if err != nil || len(key) != NameSize {
		b.damaged("a name")
		return nil
	}
	c := content{Name: Name(key)}
	b.last = max(b.last, p.sequence)
	if p.Deleted {
		b.result.Tombstones++
		return b.put(c, p)
	}
	m, rest, err := cutMessage(found.Bucket(messageBucket).Get(appendNumber(nil, p.sequence)))
	if err != nil || len(rest) > 0 || NameOf(m) != c.Name {
		b.result.Lost++
		b.damaged("the message with hash %s", c.Name.Hash())
		return nil
	}
	b.result.Messages++
	return b.put(newContent(m), p)
}

// put adds a message or tombstone, with those of its requests that there are.
func (b *rebuilder) put(c content, p place) error {
	return b.add(c.size()+NameSize, func(tx *kv.Tx) error {
		t := openTables(tx, false)
		if requestIn(t.requests, p.refs.version) == nil {
			p.refs.version = RequestID{}
		}
		if requestIn(t.requests, p.refs.stored) == nil {
			p.refs.stored = RequestID{}
		}
		return t.put(c, p)
	})
}

// nameless copies a message whose name is lost.
func (b *rebuilder) nameless(key, value []byte) error {
	sequence, rest, err := cutNumber(key)
	if err != nil || len(rest) > 0 {
		b.damaged("a sequence number")
		return nil
	}
	b.last = max(b.last, sequence)
	m, rest, err := cutMessage(value)
	if err != nil || len(rest) > 0 {
		b.damaged("message %d", sequence)
		return nil
	}
	known := false
	err = b.into.View(func(tx *kv.Tx) error {
		name := NameOf(m)
		known = tx.Bucket(nameBucket).Get(name[:]) != nil
		return nil
	})
	_, live := m.TTLMillis()
	if _, dated := m.TimestampMillis(); err != nil || known || !live || !dated {
		return err
	}
	b.damaged("the name of message %d", sequence)
	b.result.Messages++
	return b.put(newContent(m), place{sequence: sequence, Version: Version{Expiration: m.ExpirationMillis()}})
}

// checkIndexes returns ErrDamaged unless every name has its message, every message its name, and both an entry in the
// order of arrival.
func checkIndexes(db *kv.DB) error {
	return db.View(func(tx *kv.Tx) error {
		live, order := 0, tx.Bucket(orderBucket)
		err := each(tx, nameBucket, func(key, value []byte) error {
			p, err := parsePlace(value)
			if err != nil || len(key) != NameSize {
				return errDamage
			}
			if p.Deleted {
				return nil
			}
			live++
			m, err := openTables(tx, false).message(p)
			if err != nil || NameOf(m) != Name(key) || order.Get(orderKey(Name(key), p.sequence)) == nil {
				return errDamage
			}
			return nil
		})
		if err == nil && (live != order.Count() || live != tx.Bucket(messageBucket).Count()) {
			return errDamage
		}
		return err
	})
}
