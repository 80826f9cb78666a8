package plumbing

import (
	"context"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/route"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage/rpc28"
)

// changeFunc changes stored messages, named by their hashes.
type changeFunc func(ctx context.Context, router *route.Router, hashes []string) (mailbox.Change, error)

// changeMessages changes the messages that args or, if there are none, the items of stdin name.
func changeMessages(ctx context.Context, app *cli.App, args []string, change changeFunc) error {
	hashes, err := namedHashes(app, args)
	if err != nil || len(hashes) == 0 {
		return err
	}
	a, router, err := app.OpenRouter(ctx, route.Options{})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(hashes, mailbox.MaxChange) {
		out, err := change(ctx, router, some)
		if err != nil {
			return err
		}
		if err := app.Print(render.Change(a, out)); err != nil {
			return err
		}
	}
	return nil
}

// isMessageHash reports whether nodes may call a message so: hashes of 2.8 are base64, those of 2.0 hex. Whether it can
// be changed is theirs to say.
func isMessageHash(name string) bool {
	const hexDigits, letters = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	switch len(name) {
	case 2 * sha512.Size:
		return strings.TrimLeft(name, hexDigits) == ""
	case rpc28.HashTextLength:
		return strings.TrimLeft(name, letters) == ""
	}
	return false
}

// namedHashes collects hashes, each once.
func namedHashes(app *cli.App, args []string) (hashes []string, err error) {
	taken := make(map[hashName]bool)
	take := func(name hashName) error {
		if !isMessageHash(string(name)) {
			return fmt.Errorf("%w: %.200q is not a message hash", cli.ErrBadInput, string(name))
		}
		if !taken[name] {
			taken[name] = true
			hashes = append(hashes, string(name))
		}
		return nil
	}
	if len(args) == 0 || len(args) == 1 && args[0] == "-" {
		err := cli.Filter(app, take)
		return hashes, err
	}
	for _, arg := range args {
		if err := take(hashName(arg)); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// hashName is an item of input that names a stored message: a string, or a record with a message_hash.
type hashName string

// UnmarshalJSON reads either form.
func (n *hashName) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, (*string)(n)) == nil {
		return nil
	}
	var named struct {
		MessageHash string `json:"message_hash"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	if named.MessageHash == "" {
		return errors.New("it has no message_hash")
	}
	*n = hashName(named.MessageHash)
	return nil
}
