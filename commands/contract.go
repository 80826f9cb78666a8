package commands

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/lib/record"
)

// contract is what a script may expect of a command. Help texts, man pages and the completion of --select are made from
// it, and tests hold every run of a command against it.
type contract struct {
	reads  string // kinds of records that it reads from stdin
	prints string // kinds of records that it prints, next to errors
	exits  string // exit codes, with remarks, next to those that every command may end with: "2 bad draft; 3"
	// delivers says that what is printed counts as read by somebody: without a stdout there is no point in it.
	delivers bool
}

// exitsEverywhere are the codes with which every command may end.
var exitsEverywhere = []int{
	record.ExitOK, record.ExitUnexpected, record.ExitUsage, record.ExitTemporary, record.ExitTimeout,
	record.ExitInterrupt, record.ExitTerminated,
}

// Exit codes that commands have in common: those with an account, with a network, with both.
const (
	exitsAccount = "4 no such keystore or account; 7 the keystore does not open; 10"
	exitsNetwork = "4 no network is named or runs; 5 the network does not answer"
	exitsEndless = "130; 143" // of commands that run until they are stopped
	exitsBoth    = "4 no such keystore, account or network; 5 the network does not answer; 7 the keystore does not open; 10"
)

// contracts of all commands, by what stands behind "sessiontool".
var contracts = map[string]contract{
	"keygen": {
		prints: "identity",
		exits:  "2 bad words, or the name is taken; 7 the keystore does not open; 10",
	},
	"identity list": {prints: "identity", exits: exitsAccount},
	"identity show": {prints: "identity", exits: "2 the picture cannot be written; " + exitsAccount},
	"identity export": {
		prints: "identity backup",
		exits:  "2 the file exists, or stdout is a terminal; " + exitsAccount,
	},
	"identity restore": {
		prints: "identity",
		exits:  "2 there is a keystore already; 7 not a backup, or not its passphrase; 10",
	},
	"identity passphrase": {prints: "keystore", exits: exitsAccount},
	"identity remove":     {prints: "removed", exits: "2 --yes is missing; " + exitsAccount},
	"friend-request send": {
		reads: "draft", prints: "receipt",
		exits: "2 bad draft, friends already, or asked already; 3; 5 a request is pending, or the network does not answer; 6; 9; " + exitsAccount,
	},
	"friend-request list": {prints: "friend_request", exits: exitsAccount},
	"friend-request accept": {
		reads: "friend_request", prints: "receipt",
		exits: "3; 4 no such request; 5 the network does not answer; 6; 7 the keystore does not open; 9; 10",
	},
	"friend-request decline": {
		reads: "friend_request", prints: "friend_request",
		exits: "3; 4 no such request; 7 the keystore does not open; 10",
	},
	"contact list": {prints: "contact", exits: exitsAccount},
	"contact show": {
		prints: "contact",
		exits:  "2 not a Session ID; 4 no such contact; 7 the keystore does not open; 10",
	},
	"contact verify": {
		prints: "contact",
		exits:  "2 not a Session ID; 4 no such contact; 7 the digits differ, or the keystore does not open; 10",
	},
	"contact remove": {
		prints: "removed",
		exits:  "2 not a Session ID; 4 no such contact; 7 the keystore does not open; 10",
	},
	"send": {
		reads: "draft", prints: "receipt",
		exits: "2 bad draft; 3; 4 not a friend; 5 not sent yet; 6; 7 the keystore does not open; 9; 10",
	},
	"poll": {
		prints: "message friend_request delivery", delivers: true,
		exits: "3 some messages cannot be opened; 9; " + exitsBoth,
	},
	"listen": {
		prints: "message friend_request delivery heartbeat", delivers: true,
		exits: "3 some messages cannot be opened; 4 no such keystore, account or network; 7 the keystore does not open; 9; 10; " + exitsEndless,
	},
	"inbox": {
		prints: "message friend_request delivery",
		exits:  "3 some messages could not be opened; " + exitsAccount,
	},
	"swarm lookup": {reads: "identity contact", prints: "swarm", exits: "2 not a Session ID; 3; " + exitsNetwork},
	"swarm nodes":  {prints: "node", exits: exitsNetwork},
	"swarm check": {
		reads: "identity contact", prints: "swarm_check",
		exits: "2 not a Session ID; 3; " + exitsBoth,
	},
	"swarm map": {
		reads: "identity contact", prints: "swarm_map",
		exits: "2 not a Session ID, or the file cannot be written; 3; " + exitsNetwork,
	},
	"swarm store":    {reads: "envelope", prints: "receipt", exits: "3; 6; 9; " + exitsNetwork},
	"swarm retrieve": {prints: "envelope", exits: "9; " + exitsBoth},
	"swarm delete": {
		reads: "envelope message", prints: "change",
		exits: "2 not a hash; 3; 6 the network is of 2020; 9; " + exitsBoth,
	},
	"swarm expire": {
		reads: "envelope message", prints: "change",
		exits: "2 not a hash, or a bad --ttl; 3; 6 the network is of 2020; 9; " + exitsBoth,
	},
	"envelope seal": {
		reads: "draft", prints: "envelope",
		exits: "2 bad draft; 3; 4 not a friend; 7 the keystore does not open; 10",
	},
	"envelope open": {
		reads: "envelope", prints: "message friend_request delivery control", delivers: true,
		exits: "3 some cannot be opened; " + exitsAccount,
	},
	"envelope inspect": {reads: "envelope", prints: "envelope_info", exits: "3"},
	"pow solve":        {reads: "envelope", prints: "envelope", exits: "3; 6 no nonce can meet the difficulty"},
	"pow verify":       {reads: "envelope", prints: "pow", exits: "3; 6 a proof does not meet the difficulty"},
	"pow estimate":     {reads: "envelope", prints: "pow", exits: "3"},
	"pow bench":        {prints: "pow_bench"},
	"prekey bundle":    {prints: "prekey_bundle", exits: "2 not a Session ID; " + exitsAccount},
	"prekey rotate":    {prints: "prekey", exits: exitsAccount},
	"prekey list":      {prints: "prekey", exits: exitsAccount},
	"onion path":       {prints: "path", exits: exitsNetwork},
	"onion send": {
		reads: "call", prints: "rpc_response",
		exits: "3; 4 no such node, or no network; 5 the network does not answer",
	},
	"node run": {
		prints: "node",
		exits: "2 or the folder cannot be used; 4 no network is named or runs; " +
			"5 the network does not answer, or a node runs in the folder; 6 the registry refuses the node; 9; " + exitsEndless,
	},
	"devnet up":         {prints: "network", exits: "2 or the folder cannot be used; 5 it runs already; " + exitsEndless},
	"devnet status":     {prints: "network", exits: "4 no devnet runs"},
	"devnet down":       {prints: "network", exits: "4 no devnet runs"},
	"devnet difficulty": {prints: "network", exits: "4 no devnet runs"},
	"devnet fault set":  {prints: "fault", exits: "4 no devnet runs, or it has no such node"},
	"devnet fault clear": {
		prints: "fault", exits: "4 no devnet runs, or it has no such node",
	},
	"devnet fault list": {prints: "fault", exits: "4 no devnet runs"},
	"demo": {
		prints: "step identity receipt message friend_request swarm envelope",
		exits:  "1 the story came out wrong",
	},
	"doctor":                {prints: "check", exits: "3 something is not well"},
	"clock":                 {prints: "clock", exits: "9 the clock is off by more than nodes allow; " + exitsNetwork},
	"config show":           {prints: "setting", exits: "2 no such setting"},
	"config path":           {prints: "config"},
	"schema":                {prints: "schema", exits: "2 no such record"},
	"help":                  {exits: "2 no such command or topic"},
	"errors":                {prints: "error_code", exits: "2 no such code"},
	"version":               {prints: "version"},
	"completion bash":       {},
	"completion zsh":        {},
	"completion fish":       {},
	"completion powershell": {},
}

// contractOf returns the contract of a command; topics and commands that only hold others have none.
func contractOf(cmd *cobra.Command) (contract, bool) {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	c, ok := contracts[name]
	return c, ok
}

// kinds returns the kinds of records that the command may print.
func (c contract) kinds() []string {
	if c.prints == "" {
		return nil
	}
	return append(strings.Fields(c.prints), record.TypeError)
}

// exit is an exit code of a command, with a remark.
type exit struct {
	record.Exit
	remark string
}

// exitList returns the codes that the contract lists, in their order. An entry that is no code is a mistake in the table
// above, and panics.
func (c contract) exitList() []exit {
	list := []exit{{record.Exits[record.ExitOK], ""}, {record.Exits[record.ExitUsage], ""}}
	for _, entry := range strings.FieldsFunc(c.exits, func(r rune) bool { return r == ';' }) {
		number, remark, _ := strings.Cut(strings.TrimSpace(entry), " ")
		at := slices.IndexFunc(record.Exits, func(e record.Exit) bool { return strconv.Itoa(e.Code) == number })
		if at < 0 {
			panic(fmt.Sprintf("%q is not an exit code", entry))
		}
		list = slices.DeleteFunc(list, func(e exit) bool { return e.Code == record.Exits[at].Code })
		list = append(list, exit{record.Exits[at], remark})
	}
	slices.SortFunc(list, func(a, b exit) int { return a.Code - b.Code })
	return list
}
