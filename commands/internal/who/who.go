// Package who finds the Session ID that a user means: by the ID itself, or by the name that the user gave a contact.
package who

import (
	"context"
	"errors"

	"sessiontool/commands/internal/cli"
	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/sessionid"
)

// Finder finds IDs for one run of a command. It opens the account at the first name.
type Finder struct {
	app     *cli.App
	account *account.Account
	needed  bool // the command cannot work without an account
	none    bool // there is no keystore
}

// New makes a finder. An account that is open already saves opening it; it may be nil.
func New(app *cli.App, a *account.Account) *Finder { return &Finder{app: app, account: a} }

// Needing makes a finder for a command that needs the account in any case.
func Needing(app *cli.App) *Finder { return &Finder{app: app, needed: true} }

// ID returns the ID that a text means. A text that is neither an ID nor a possible name has the error of
// [sessionid.Parse], as has any name where there is no keystore to look it up in, unless the command needs one. If the
// flags name none of its accounts, the error says so.
func (f *Finder) ID(ctx context.Context, text string) (sessionid.ID, error) {
	id, err := sessionid.Parse(text)
	if err == nil || addressbook.CheckName(text) != nil || f.none {
		return id, err
	}
	if f.account == nil {
		opened, openErr := f.app.OpenAccount(ctx)
		switch {
		case errors.Is(openErr, keystore.ErrNotFound) && !f.needed:
			f.none = true
			return id, err
		case openErr != nil:
			return id, openErr
		}
		f.account = opened
	}
	return f.account.Named(ctx, text)
}

// IsNoAccount reports whether the flags name no account.
func IsNoAccount(err error) bool {
	return errors.Is(err, keystore.ErrNotFound) || errors.Is(err, keystore.ErrAccountNotFound) ||
		errors.Is(err, keystore.ErrSeveralAccounts)
}

// Contact opens the account and finds the contact that a text means: see [Finder.ID].
func Contact(ctx context.Context, app *cli.App, text string) (*account.Account, sessionid.ID, error) {
	id, err := sessionid.Parse(text)
	if err != nil && addressbook.CheckName(text) != nil {
		return nil, id, err
	}
	a, openErr := app.OpenAccount(ctx)
	if openErr != nil || err == nil {
		return a, id, openErr
	}
	id, err = a.Named(ctx, text)
	return a, id, err
}
