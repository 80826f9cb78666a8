package devnetcmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/devnet/page"
)

// pageTokenFile is the name of the file with the token of a node's page for other machines, in its folder.
const pageTokenFile = "page.token"

// pageFlags say where the page of a network is served.
type pageFlags struct {
	address string // empty for no page
	remote  bool
}

func (f *pageFlags) add(flags *pflag.FlagSet, name string) {
	flags.StringVar(&f.address, name, f.address,
		"address at which a browser gets a page of the network, such as 127.0.0.1:0; port 0 takes a free one")
	flags.BoolVar(&f.remote, "page-remote", false,
		"allow an address for the page that other machines can reach; each request then needs the token")
}

// check refuses an address that other machines can reach, unless that is asked for. name is the flag's.
func (f *pageFlags) check(name string) error {
	if f.address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(f.address)
	if err != nil {
		return cli.UsageError(fmt.Errorf("--%s %q is no address with a port", name, f.address))
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "localhost" || f.remote && err == nil:
		return nil
	case err != nil:
		return cli.UsageError(fmt.Errorf("--%s %q: the host must be an IP address", name, f.address))
	case !ip.IsLoopback():
		return cli.UsageError(fmt.Errorf(
			"--%s %s: other machines can reach this address; --page-remote allows it", name, f.address))
	}
	return nil
}

func (f *pageFlags) options() devnet.PageOptions {
	return devnet.PageOptions{Address: f.address, Remote: f.remote}
}

// servePages makes the pages of a devnet, which is changed with its control token.
func servePages(log *slog.Logger) func(*devnet.Network, devnet.PageOptions) (devnet.Page, error) {
	return func(n *devnet.Network, options devnet.PageOptions) (devnet.Page, error) {
		return page.Serve(page.Options{
			Address: options.Address, Remote: options.Remote, Token: n.ControlToken(), Source: n, Controls: n,
			Logger: log,
		})
	}
}

// serveNode serves the page of one node, on which nothing can be changed. It returns the URL, and a function that ends
// it. The token of a page for other machines is written to a file in the node's folder.
func (f *pageFlags) serveNode(running *devnet.Running, dir string, log *slog.Logger) (string, func() error, error) {
	if f.address == "" {
		return "", func() error { return nil }, nil
	}
	options := page.Options{Address: f.address, Remote: f.remote, Source: running, Logger: log}
	remove := func() error { return nil }
	if f.remote {
		file := filepath.Join(dir, pageTokenFile)
		var err error
		if options.Token, err = page.NewToken(file); err != nil {
			return "", nil, err
		}
		remove = func() error { return os.Remove(file) }
	}
	served, err := page.Serve(options)
	if err != nil {
		return "", nil, cli.UsageError(errors.Join(fmt.Errorf("--page: %w", err), remove()))
	}
	return served.URL(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return errors.Join(served.Close(ctx), remove())
	}, nil
}
