package render

import (
	"encoding/base64"

	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

// DryRun returns the record of what sending a message would do, without what only the network knows.
func DryRun(a *account.Account, r account.Rehearsal) record.DryRun {
	out := record.DryRun{
		Type: record.TypeDryRun, Account: a.Name(), To: r.Message.To.String(), Protocol: r.Message.Protocol,
		ForwardSecrecy: forwardSecrecy(r.Message.Protocol, r.Message.ForwardSecrecy), FetchKey: r.FetchKey,
		Route: record.RouteAsync, TTLMillis: r.Message.TTLMillis, Repeated: r.Repeated, Resumed: r.Resumed,
		DataBytes: base64.StdEncoding.DecodedLen(len(r.Message.Data)),
		Warnings:  make([]record.Warning, len(r.Message.Warnings)),
	}
	for i, warning := range r.Message.Warnings {
		out.Warnings[i] = warnings[warning]
	}
	if r.Listens {
		out.Route = record.RouteSync
	}
	return out
}
