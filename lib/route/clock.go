package route

import (
	"errors"
	"slices"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
)

// ClockError is an ErrClock that says how far this machine's clock is off.
type ClockError = network.ClockError

// errWrongTime reports that the network refused a message's time, that the clock is known since then, and that the
// message, which no node has, should be sealed anew with the right time: see account.Account.Reseal.
var errWrongTime = errors.New("the message was sealed with a wrong time")

// refusedTime reports whether every member that was asked has refused the time, so that none can have the message.
func refusedTime(results []account.NodeResult) bool {
	return !slices.ContainsFunc(results, func(result account.NodeResult) bool {
		return result.Status != storage.StatusBadTimestamp && result.Status != storage.StatusTooEarly
	})
}
