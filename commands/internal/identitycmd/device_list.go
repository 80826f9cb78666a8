package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/record"
)

func newDeviceListCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "list",
		Short: "Print the account's devices, and those that ask to join",
		Long: "Print a record for each device of the account: the linked ones, those that left or were removed, and\n" +
			"those that ask to join. It reads what the other devices have changed first.",
		Examples: []string{"sessiontool device list --network phones.json --select device_id"},
		Prints:   []string{record.TypeDevice},
		Needs:    cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitNotFound: "this device is not linked, or no such keystore, account or network",
			record.ExitRefused:  "",
			record.ExitClock:    "",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runDeviceList(ctx, app) }),
	})
}

func runDeviceList(ctx context.Context, app *cli.App) error {
	a, router, err := openKeys(ctx, app)
	if err != nil {
		return err
	}
	requests, err := router.LinkRequests(ctx)
	if err != nil {
		return err
	}
	var records []record.Device
	err = a.ViewKeyring(ctx, func(k *keyring.Keyring) error {
		devices, err := k.Devices()
		records = nil
		for _, device := range devices {
			records = append(records, render.Device(a, device, k.Device()))
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, request := range requests {
		records = append(records, render.Device(a, request.Device, [32]byte{}))
	}
	for _, one := range records {
		if err := app.Print(one); err != nil {
			return err
		}
	}
	return nil
}
