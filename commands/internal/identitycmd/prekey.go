package identitycmd

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

// NewPrekey makes the command prekey.
func NewPrekey(app *cli.App) *cobra.Command {
	return cli.Parent("prekey", "Show, rotate and list prekeys", "",
		newPrekeyBundleCommand(app),
		newPrekeyRotateCommand(app),
		newPrekeyListCommand(app),
	)
}

func prekeyRecord(a *account.Account, p account.Prekey) record.Prekey {
	out := record.Prekey{
		Type: record.TypePrekey, Account: a.Name(), Kind: "signed", ID: p.ID, PublicKey: p.Public.String(),
		CreatedAt: record.Time(p.CreatedAt), Current: p.Current,
	}
	if p.OneTime {
		out.Kind, out.For = "one_time", p.For.String()
	}
	return out
}
