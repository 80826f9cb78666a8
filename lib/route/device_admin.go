package route

import (
	"context"

	"sessiontool/lib/account"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// allOwnKeys reads everything that the swarm has of the account's keys. The error wraps [mailbox.ErrGeneration] with
// storage RPC 2.0, which has no namespaces.
func (r *Router) allOwnKeys(ctx context.Context) (ownKeys, error) {
	switch generation, err := r.network.Generation(ctx); {
	case err != nil:
		return ownKeys{}, err
	case generation != storage.Generation28:
		return ownKeys{}, mailbox.ErrGeneration
	}
	return r.readOwnKeys(ctx, false)
}

// changeKeyring is UpdateKeyring after the keyring has read what the swarm has. Then it stores in the swarm what that
// lacks.
func (r *Router) changeKeyring(ctx context.Context, change func(*keyring.Keyring, []keyring.Message) error) error {
	found, err := r.allOwnKeys(ctx)
	if err != nil {
		return err
	}
	_, err = r.account.UpdateKeyring(ctx, nil, func(k *keyring.Keyring) error {
		if err := k.Take(found.devices); err != nil {
			return err
		}
		k.See(found.key(r.account))
		if err := change(k, found.devices); err != nil {
			return err
		}
		return k.KeepFresh()
	})
	if err != nil {
		return err
	}
	return r.storeOwnKeys(ctx)
}

// PublishKeys publishes the account key, so that senders encrypt for it. Without keys it starts a device group with this
// device. Then the account must not be on other devices, which could not read such messages: the error is
// account.ErrOtherDevices if the account was restored from its words, or if the swarm has the group of other devices,
// unless alone says that there are none any more.
func (r *Router) PublishKeys(ctx context.Context, alone bool, description string) error {
	return r.changeKeyring(ctx, func(k *keyring.Keyring, devices []keyring.Message) error {
		if k.Standing() != keyring.Member {
			if !alone && (r.account.Restored() || k.HasOtherGroup(devices)) {
				return account.ErrOtherDevices
			}
			if err := k.Start(description); err != nil {
				return err
			}
		}
		return k.SetPublishes(true)
	})
}

// UnpublishKeys deletes the published account key. Senders who have fetched it use it for up to 48 hours more, and the
// account's devices keep reading such messages. The error is keyring.ErrNotMember if this device is in no group.
func (r *Router) UnpublishKeys(ctx context.Context) error {
	err := r.changeKeyring(ctx, func(k *keyring.Keyring, _ []keyring.Message) error { return k.SetPublishes(false) })
	if err != nil {
		return err
	}
	found, err := r.allOwnKeys(ctx)
	if err != nil {
		return err
	}
	var hashes []string
	seen := make(map[string]bool)
	for _, stored := range found.published {
		if len(stored.Hash) == rpc28.HashTextLength && !seen[stored.Hash] && len(hashes) < mailbox.MaxChange {
			seen[stored.Hash] = true
			hashes = append(hashes, stored.Hash)
		}
	}
	if len(hashes) > 0 {
		if _, err := r.Delete(ctx, hashes); err != nil {
			return err
		}
	}
	_, err = r.account.UpdateKeyring(ctx, nil, func(k *keyring.Keyring) error {
		k.See(nil)
		return nil
	})
	return err
}

// RequestLink asks the account's other devices to admit this one. The user compares the emoji of the account's keyring
// with those that another device shows. The error is keyring.ErrNoGroup if no device of the account has keys, or
// keyring.ErrMember.
func (r *Router) RequestLink(ctx context.Context, description string) error {
	found, err := r.allOwnKeys(ctx)
	if err != nil {
		return err
	}
	var request []byte
	if _, err := r.account.UpdateKeyring(ctx, nil, func(k *keyring.Keyring) error {
		request, err = k.RequestLink(found.devices, description)
		return err
	}); err != nil {
		return err
	}
	_, err = r.storeOwn(ctx, devicegroup.Namespace, request, devicegroup.LinkLifetime, nil)
	return err
}

// LinkRequests returns the devices that ask to join. Before, it does the work of SyncKeys.
func (r *Router) LinkRequests(ctx context.Context) (requests []keyring.Request, err error) {
	err = r.changeKeyring(ctx, func(k *keyring.Keyring, devices []keyring.Message) error {
		requests, err = k.Requests(devices)
		return err
	})
	return requests, err
}

// Admit takes the device into the account's group whose request has these emoji. The errors are those of
// keyring.Keyring.Admit.
func (r *Router) Admit(ctx context.Context, emoji string) (admitted keyring.Request, err error) {
	err = r.changeKeyring(ctx, func(k *keyring.Keyring, devices []keyring.Message) error {
		requests, err := k.Requests(devices)
		if err != nil {
			return err
		}
		admitted, err = k.Admit(requests, emoji)
		return err
	})
	return admitted, err
}

// Join makes this device a member of the group that has admitted it, if the emoji are those of its request. The errors
// are those of keyring.Keyring.Join.
func (r *Router) Join(ctx context.Context, emoji string) error {
	return r.changeKeyring(ctx, func(k *keyring.Keyring, devices []keyring.Message) error {
		return k.Join(devices, emoji)
	})
}

// RemoveDevice removes a device from the account's group, and rotates the account key. If it is this one, the device
// leaves, and the others rotate the key.
func (r *Router) RemoveDevice(ctx context.Context, id devicegroup.DeviceID) error {
	own := false
	err := r.changeKeyring(ctx, func(k *keyring.Keyring, _ []keyring.Message) error {
		if own = id == k.Device(); own {
			return nil
		}
		return k.Remove(id)
	})
	if err != nil || !own {
		return err
	}
	var push keyring.Push
	if err := r.account.ViewKeyring(ctx, func(k *keyring.Keyring) (err error) {
		push, err = k.Leave()
		return err
	}); err != nil {
		return err
	}
	if _, err := r.storeOwn(ctx, devicegroup.Namespace, push.Data, devicegroup.Lifetime, push.Replaces); err != nil {
		return err
	}
	_, err = r.account.UpdateKeyring(ctx, nil, func(k *keyring.Keyring) error {
		k.HasLeft()
		return nil
	})
	return err
}
