package devnet

import (
	"context"
	"errors"
	"fmt"
)

// ErrPage reports a page that cannot be opened or closed.
var ErrPage = errors.New("page of the devnet")

// PageOptions say where a page of the network is served.
type PageOptions struct {
	// Address is a host and port; port 0 takes a free one.
	Address string `json:"address"`
	// Remote allows an address that other machines can reach. Every request then needs the control token.
	Remote bool `json:"remote,omitempty"`
}

// Page is a page that shows the network in a browser.
type Page interface {
	// URL returns the address of the page.
	URL() string
	// Close ends the page. It lets running requests finish until ctx ends.
	Close(ctx context.Context) error
}

// OpenPage serves a page of the network with Options.Pages, and returns its URL. The URL is that of the page that is
// open already, if there is one. The error is ErrPage.
func (n *Network) OpenPage(options PageOptions) (url string, err error) {
	n.pageLock.Lock()
	defer n.pageLock.Unlock()
	switch {
	case n.page != nil:
		return n.page.URL(), nil
	case n.options.Pages == nil || n.pagesEnded:
		return "", fmt.Errorf("%w: the network serves none", ErrPage)
	}
	if n.page, err = n.options.Pages(n, options); err != nil {
		n.page = nil
		return "", fmt.Errorf("%w: %w", ErrPage, err)
	}
	return n.page.URL(), nil
}

// PageURL returns the URL of the open page, "" if none is open.
func (n *Network) PageURL() string {
	n.pageLock.Lock()
	defer n.pageLock.Unlock()
	if n.page == nil {
		return ""
	}
	return n.page.URL()
}

// ClosePage closes the page, if one is open.
func (n *Network) ClosePage(ctx context.Context) error {
	n.pageLock.Lock()
	defer n.pageLock.Unlock()
	return n.closePage(ctx)
}

// endPages closes the page for good.
func (n *Network) endPages(ctx context.Context) error {
	n.pageLock.Lock()
	defer n.pageLock.Unlock()
	n.pagesEnded = true
	return n.closePage(ctx)
}

// closePage is ClosePage for a caller that holds pageLock.
func (n *Network) closePage(ctx context.Context) error {
	if n.page == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	err := n.page.Close(ctx)
	n.page = nil
	return err
}

// ControlToken returns the token that authorizes orders to the network, "" without Options.Control. It is in a file that
// its owner alone can read.
func (n *Network) ControlToken() string {
	if n.control == nil {
		return ""
	}
	return n.control.token
}
