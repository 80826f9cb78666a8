package route

import (
	"context"
	"crypto/sha256"

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
	batch    []account.Incoming
	bytes    int
	cursors  map[string]string
}

// collect returns a collector. It passes what open returns to took.
func (r *Router) collect(open receiveFunc, took func([]account.Opened)) *collector {
	return &collector{
		router: r, open: open, took: took, received: make(map[[sha256.Size]byte]bool), cursors: make(map[string]string),
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
		c.batch = append(c.batch, account.Incoming{Data: stored.Data, Hash: stored.Hash, Route: message.RouteAsync})
		c.bytes += len(stored.Data)
	}
	c.cursors[mailbox.CursorName(generation, page.Node)] = page.Messages[len(page.Messages)-1].Hash
	if len(c.batch) < collectedMessages && c.bytes < collectedBytes && (!page.Late || len(c.batch) == 0) {
		return 0, nil
	}
	return c.openAll(ctx)
}

// flush opens what is left.
func (c *collector) flush(ctx context.Context) error {
	if len(c.cursors) == 0 {
		return nil
	}
	_, err := c.openAll(ctx)
	return err
}

// openAll opens the collected messages in one transaction with the cursors, and returns how many were new.
func (c *collector) openAll(ctx context.Context) (fresh int, err error) {
	var cursors []account.Cursor
	for node, hash := range c.cursors {
		cursors = append(cursors, account.Cursor{Node: node, Hash: hash})
	}
	ctx, span := trace.Start(ctx, trace.SpanOpen, trace.Int("messages", len(c.batch)))
	opened, err := c.open(ctx, c.batch, cursors)
	noteOpened(span, opened, err)
	if err != nil {
		return 0, err
	}
	c.batch, c.bytes = nil, 0
	clear(c.cursors)
	c.took(opened)
	return newMessages(opened), nil
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
