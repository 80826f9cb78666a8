package identitycmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/record"
)

type deviceRemoveOptions struct {
	id string
}

func newDeviceRemoveCommand(app *cli.App) *cobra.Command {
	opts := &deviceRemoveOptions{}
	return app.Command(cli.Spec{
		Use:   "remove DEVICE",
		Short: "Remove a device from the account's devices",
		Long: "Remove a device, and replace the account's key at once. The removed device keeps what it has, reads\n" +
			"what was encrypted for keys that it has, and reads nothing that is encrypted for later keys: senders\n" +
			"fetch a key again after at most 48 hours. With the ID of this device, it leaves, and the others\n" +
			"replace the key.\n\n" +
			"The account's recovery words stay on the removed device: see docs/security.md.",
		Examples: []string{"sessiontool device remove --network phones.json $DEVICE"},
		Prints:   []string{record.TypeDevice},
		Needs:    cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:    "not the ID of a device",
			record.ExitNotFound: "no such device, or this one is not linked",
			record.ExitRefused:  "",
			record.ExitClock:    "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id = args[0]
			return runDeviceRemove(ctx, app, opts)
		}),
	})
}

func runDeviceRemove(ctx context.Context, app *cli.App, opts *deviceRemoveOptions) error {
	var id devicegroup.DeviceID
	if err := id.UnmarshalText([]byte(opts.id)); err != nil {
		return cli.UsageError(fmt.Errorf("%q is not the ID of a device: %w", opts.id, err))
	}
	a, router, err := openKeys(ctx, app)
	if err != nil {
		return err
	}
	if err := router.RemoveDevice(ctx, id); err != nil {
		return err
	}
	device := devicegroup.Device{ID: id, State: devicegroup.Left, GoneAt: app.Now().Unix()}
	err = a.ViewKeyring(ctx, func(k *keyring.Keyring) error {
		devices, err := k.Devices()
		gone := func(d devicegroup.Device) bool { return d.ID == id && d.IsGone() }
		if i := slices.IndexFunc(devices, gone); i >= 0 {
			device = devices[i]
		}
		return err
	})
	if err != nil {
		return err
	}
	return app.Print(render.Device(a, device, [32]byte{}))
}
