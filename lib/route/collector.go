package route

import (
	"context"
	"crypto/sha256"
	"maps"

	"sessiontool/lib/account"
	"sessiontool/lib/message"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/trace"
)

const (
	// collectedMessages and collectedBytes bound what a collector opens in one transaction. Servers of 2.0 give ten
	// messages a page, and each transaction costs a sync.
	collectedMessages = 256
	collectedBytes    = 1 << 20
	// maxRemembered bounds the messages of one poll that are remembered to recognize them in the lists of further
	// members. Beyond it they are recognized in the keystore, which is slower.
	maxRemembered = 1 << 17
)

// receiveFunc is [account.Account.Receive] or [account.Account.ReceiveAside].
type receiveFunc func(context.Context, []account.Incoming, []account.Cursor) ([]account.Opened, error)

// collector opens the pages of several members: those messages that no member has given before, many at a time. A page
// that repeats another member's costs no transaction: its cursor is stored with the next messages, or at the end.
type collector struct {
	router   *Router
	open     receiveFunc
	took     func([]account.Opened)
	received map[[sha256.Size]byte]bool
	batch    collected

	// beside makes take return while the collected messages are being opened, so that members make their next pages
	// meanwhile. One batch is opened at a time.
	beside  bool
	opening chan openedBatch // of the batch that is being opened; nil if there is none
}

// collected are messages, and the cursors behind them by their names.
type collected struct {
	messages []account.Incoming
	bytes    int
	cursors  map[string]string
}

// openedBatch is the result of opening. Left is what was not opened because of err.
type openedBatch struct {
	opened []account.Opened
	left   collected
	err    error
}

// collect returns a collector. It passes what open returns to took.
func (r *Router) collect(open receiveFunc, took func([]account.Opened)) *collector {
	return &collector{
		router: r, open: open, took: took, received: make(map[[sha256.Size]byte]bool),
		batch: collected{cursors: make(map[string]string)},
	}
}

// take collects a page. For a page that is Late it opens the page at once, and returns how many of its messages are new.
func (c *collector) take(ctx context.Context, page mailbox.Page) (fresh int, err error) {
	generation, err := c.router.network.Generation(ctx)
	if err != nil {
		return 0, err
	}
	if len(c.received) > maxRemembered {
		clear(c.received)
	}
	for _, stored := range page.Messages {
		name := sha256.Sum256([]byte(stored.Data))
		if c.received[name] {
			continue
		}
		c.received[name] = true
		c.batch.messages = append(c.batch.messages,
			account.Incoming{Data: stored.Data, Hash: stored.Hash, Route: message.RouteAsync})
		c.batch.bytes += len(stored.Data)
	}
	c.batch.cursors[mailbox.CursorName(generation, page.Node)] = page.Messages[len(page.Messages)-1].Hash
	enough := len(c.batch.messages) >= collectedMessages || c.batch.bytes >= collectedBytes
	switch {
	case !enough && (!page.Late || len(c.batch.messages) == 0):
		return 0, nil
	case c.beside && !page.Late:
		return 0, c.openBeside(ctx)
	}
	if err := c.join(); err != nil {
		return 0, err
	}
	return c.openAll(ctx)
}

// flush opens what is left. It must be called after the last take.
func (c *collector) flush(ctx context.Context) error {
	c.join() // what it has not opened is opened now
	if len(c.batch.cursors) == 0 {
		return nil
	}
	_, err := c.openAll(ctx)
	return err
}

// openBeside begins to open the collected messages, once those before are opened.
func (c *collector) openBeside(ctx context.Context) error {
	if err := c.join(); err != nil {
		return err
	}
	batch, opening := c.batch, make(chan openedBatch, 1)
	c.batch = collected{cursors: make(map[string]string)}
	c.opening = opening
	go func() { opening <- c.openBatch(ctx, batch) }()
	return nil
}

// join waits until the messages are opened that are being opened. What was not opened is collected again.
func (c *collector) join() error {
	if c.opening == nil {
		return nil
	}
	done := <-c.opening
	c.opening = nil
	_, err := c.end(done)
	return err
}

// openAll opens the collected messages and returns how many were new.
func (c *collector) openAll(ctx context.Context) (fresh int, err error) {
	batch := c.batch
	c.batch = collected{cursors: make(map[string]string)}
	return c.end(c.openBatch(ctx, batch))
}

// end takes the result of opening.
func (c *collector) end(done openedBatch) (fresh int, err error) {
	c.took(done.opened)
	if done.err != nil {
		maps.Copy(done.left.cursors, c.batch.cursors)
		c.batch = collected{
			messages: append(done.left.messages, c.batch.messages...), bytes: done.left.bytes + c.batch.bytes,
			cursors: done.left.cursors,
		}
	}
	return newMessages(done.opened), done.err
}

// openBatch opens messages in transactions of bounded size, the last one with the cursors.
func (c *collector) openBatch(ctx context.Context, batch collected) openedBatch {
	done := openedBatch{left: batch}
	for {
		part, size := batch.part()
		var cursors []account.Cursor
		if len(part) == len(done.left.messages) {
			for node, hash := range batch.cursors {
				cursors = append(cursors, account.Cursor{Node: node, Hash: hash})
			}
		}
		opening, span := trace.Start(ctx, trace.SpanOpen, trace.Int("messages", len(part)))
		opened, err := c.open(opening, part, cursors)
		noteOpened(span, opened, err)
		if err != nil {
			done.err = err
			return done
		}
		done.opened = append(done.opened, opened...)
		done.left.messages, done.left.bytes = done.left.messages[len(part):], done.left.bytes-size
		if len(done.left.messages) == 0 {
			return done
		}
		batch = done.left
	}
}

// part returns the first messages, as many as are opened in one transaction, and their bytes.
func (b collected) part() (part []account.Incoming, size int) {
	for i, one := range b.messages {
		if i == collectedMessages || size >= collectedBytes {
			return b.messages[:i], size
		}
		size += len(one.Data)
	}
	return b.messages, size
}

// noteOpened records what became of received messages.
func noteOpened(span *trace.Recording, opened []account.Opened, err error) {
	if span == nil {
		return
	}
	for _, one := range opened {
		span.Event(trace.EventMessage, trace.String(trace.KeyHash, one.Event.Hash), trace.String("id", one.Event.ID),
			trace.String("kind", string(one.Event.Kind)), trace.String("failure", string(one.Event.Code)),
			trace.Bool("duplicate", one.Duplicate))
	}
	span.End(err)
}
