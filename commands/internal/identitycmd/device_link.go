package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

type deviceLinkOptions struct {
	confirm string
	name    string
}

func newDeviceLinkCommand(app *cli.App) *cobra.Command {
	opts := &deviceLinkOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "link",
		Short: "Add this device to the account's devices, or admit another one",
		Long: "Two devices of one account share the keys of session-v2, and both read every message. The second one\n" +
			"is restored with 'keygen --mnemonic-file' and asks to join, and the first one admits it:\n\n" +
			"  1. on the new device, 'device link' asks, and prints seven emoji;\n" +
			"  2. on a linked device, 'device link' prints the requests that wait, with their emoji;\n" +
			"  3. if the emoji are the same, 'device link --confirm EMOJI' there admits the new device;\n" +
			"  4. on the new device, 'device link --confirm EMOJI' joins.\n\n" +
			"Type the emoji that the OTHER device shows, as symbols or as names. They differ if another person asks\n" +
			"in the place of your device. A request is valid for 10 minutes.",
		Examples: []string{
			"sessiontool device link --network phones.json",
			"sessiontool device link --network phones.json --confirm \"$EMOJI\"",
		},
		Prints: []string{record.TypeDeviceLink},
		Needs:  cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitNotFound:  "no device of the account has keys, or no such keystore, account or network",
			record.ExitTemporary: "no device has admitted this one yet, or the network does not answer",
			record.ExitAuth:      "no request has these emoji, or the keystore does not open",
			record.ExitRefused:   "",
			record.ExitClock:     "",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runDeviceLink(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.confirm, "confirm", "", "the emoji that the other device shows")
	cmd.Flags().StringVar(&opts.name, "name", deviceName, "name of this device for the account's other devices")
	return cmd
}

func runDeviceLink(ctx context.Context, app *cli.App, opts *deviceLinkOptions) error {
	a, router, err := openKeys(ctx, app)
	if err != nil {
		return err
	}
	var standing keyring.Standing
	err = a.ViewKeyring(ctx, func(k *keyring.Keyring) error {
		standing = k.Standing()
		return nil
	})
	switch {
	case err != nil:
		return err
	case standing == keyring.Member && opts.confirm == "":
		return printLinkRequests(ctx, app, a, router)
	case standing == keyring.Member:
		admitted, err := router.Admit(ctx, opts.confirm)
		if err != nil {
			return err
		}
		return app.Print(render.DeviceLink(a, admitted.Device.ID, "admitted", keyring.Texts(admitted.Emoji)))
	case opts.confirm == "":
		if err := router.RequestLink(ctx, opts.name); err != nil {
			return err
		}
		return printOwnLink(ctx, app, a, "requested")
	}
	emoji, _, err := ownEmoji(ctx, a)
	if err != nil {
		return err
	}
	if err := router.Join(ctx, opts.confirm); err != nil {
		return err
	}
	_, id, err := ownEmoji(ctx, a)
	if err != nil {
		return err
	}
	return app.Print(render.DeviceLink(a, id, "joined", emoji))
}

// ownEmoji returns the emoji of this device's request, and its ID.
func ownEmoji(ctx context.Context, a *account.Account) (emoji []string, id devicegroup.DeviceID, err error) {
	err = a.ViewKeyring(ctx, func(k *keyring.Keyring) error {
		emoji, id = k.Emoji(), k.Device()
		return nil
	})
	return emoji, id, err
}

// printOwnLink prints how far this device has come.
func printOwnLink(ctx context.Context, app *cli.App, a *account.Account, state string) error {
	emoji, id, err := ownEmoji(ctx, a)
	if err != nil {
		return err
	}
	return app.Print(render.DeviceLink(a, id, state, emoji))
}

// printLinkRequests prints the devices that ask to join.
func printLinkRequests(ctx context.Context, app *cli.App, a *account.Account, router *route.Router) error {
	requests, err := router.LinkRequests(ctx)
	if err != nil {
		return err
	}
	for _, request := range requests {
		link := render.DeviceLink(a, request.Device.ID, "pending", keyring.Texts(request.Emoji))
		if err := app.Print(link); err != nil {
			return err
		}
	}
	return nil
}
