package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/lib/record"
)

// Contract is what a script may expect of a command. Help texts, man pages and the completion of --select are made from
// it, and tests hold every run of a command against it.
type Contract struct {
	Reads  string // kinds of records that it reads from stdin
	Prints string // kinds of records that it prints, next to errors
	Exits  string // exit codes, with remarks, next to those that every command may end with: "2 bad draft; 3"
	// delivers says that what is printed counts as read by somebody: without a stdout there is no point in it.
	delivers bool
}

// ExitsEverywhere are the codes with which every command may end.
var ExitsEverywhere = []int{
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

// Contracts of all commands, by what stands behind "sessiontool".
var Contracts = map[string]Contract{
	"keygen": {
		Prints: "identity",
		Exits:  "2 bad words, or the name is taken; 7 the keystore does not open; 10",
	},
	"identity list": {Prints: "identity", Exits: exitsAccount},
	"identity show": {Prints: "identity", Exits: "2 the picture cannot be written; " + exitsAccount},
	"identity export": {
		Prints: "identity backup",
		Exits:  "2 the file exists, or stdout is a terminal; " + exitsAccount,
	},
	"identity restore": {
		Prints: "identity",
		Exits:  "2 there is a keystore already; 7 not a backup, or not its passphrase; 10",
	},
	"identity passphrase": {Prints: "keystore", Exits: exitsAccount},
	"identity remove":     {Prints: "removed", Exits: "2 --yes is missing; " + exitsAccount},
	"friend-request send": {
		Reads: "draft", Prints: "receipt",
		Exits: "2 bad draft, friends already, or asked already; 3; 5 a request is pending, or the network does not answer; 6; 9; " + exitsAccount,
	},
	"friend-request list": {Prints: "friend_request", Exits: exitsAccount},
	"friend-request accept": {
		Reads: "friend_request", Prints: "receipt",
		Exits: "3; 4 no such request; 5 the network does not answer; 6; 7 the keystore does not open; 9; 10",
	},
	"friend-request decline": {
		Reads: "friend_request", Prints: "friend_request",
		Exits: "3; 4 no such request; 7 the keystore does not open; 10",
	},
	"contact list": {Prints: "contact", Exits: exitsAccount},
	"contact show": {
		Prints: "contact",
		Exits:  "2 not a Session ID; 4 no such contact; 7 the keystore does not open; 10",
	},
	"contact verify": {
		Prints: "contact",
		Exits:  "2 not a Session ID; 4 no such contact; 7 the digits differ, or the keystore does not open; 10",
	},
	"contact remove": {
		Prints: "removed",
		Exits:  "2 not a Session ID; 4 no such contact; 7 the keystore does not open; 10",
	},
	"send": {
		Reads: "draft", Prints: "receipt",
		Exits: "2 bad draft; 3; 4 not a friend; 5 not sent yet; 6; 7 the keystore does not open; 9; 10",
	},
	"poll": {
		Prints: "message friend_request delivery", delivers: true,
		Exits: "3 some messages cannot be opened; 9; " + exitsBoth,
	},
	"listen": {
		Prints: "message friend_request delivery heartbeat", delivers: true,
		Exits: "3 some messages cannot be opened; 4 no such keystore, account or network; 7 the keystore does not open; 9; 10; " + exitsEndless,
	},
	"inbox": {
		Prints: "message friend_request delivery",
		Exits:  "3 some messages could not be opened; " + exitsAccount,
	},
	"swarm lookup": {Reads: "identity contact", Prints: "swarm", Exits: "2 not a Session ID; 3; " + exitsNetwork},
	"swarm nodes":  {Prints: "node", Exits: exitsNetwork},
	"swarm check": {
		Reads: "identity contact", Prints: "swarm_check",
		Exits: "2 not a Session ID; 3; " + exitsBoth,
	},
	"swarm map": {
		Reads: "identity contact", Prints: "swarm_map",
		Exits: "2 not a Session ID, or the file cannot be written; 3; " + exitsNetwork,
	},
	"swarm store":    {Reads: "envelope", Prints: "receipt", Exits: "3; 6; 9; " + exitsNetwork},
	"swarm retrieve": {Prints: "envelope", Exits: "9; " + exitsBoth},
	"swarm delete": {
		Reads: "envelope message", Prints: "change",
		Exits: "2 not a hash; 3; 6 the network is of 2020; 9; " + exitsBoth,
	},
	"swarm expire": {
		Reads: "envelope message", Prints: "change",
		Exits: "2 not a hash, or a bad --ttl; 3; 6 the network is of 2020; 9; " + exitsBoth,
	},
	"envelope seal": {
		Reads: "draft", Prints: "envelope",
		Exits: "2 bad draft; 3; 4 not a friend; 7 the keystore does not open; 10",
	},
	"envelope open": {
		Reads: "envelope", Prints: "message friend_request delivery control", delivers: true,
		Exits: "3 some cannot be opened; " + exitsAccount,
	},
	"envelope inspect": {Reads: "envelope", Prints: "envelope_info", Exits: "3"},
	"pow solve":        {Reads: "envelope", Prints: "envelope", Exits: "3; 6 no nonce can meet the difficulty"},
	"pow verify":       {Reads: "envelope", Prints: "pow", Exits: "3; 6 a proof does not meet the difficulty"},
	"pow estimate":     {Reads: "envelope", Prints: "pow", Exits: "3"},
	"pow bench":        {Prints: "pow_bench"},
	"prekey bundle":    {Prints: "prekey_bundle", Exits: "2 not a Session ID; " + exitsAccount},
	"prekey rotate":    {Prints: "prekey", Exits: exitsAccount},
	"prekey list":      {Prints: "prekey", Exits: exitsAccount},
	"onion path":       {Prints: "path", Exits: exitsNetwork},
	"onion send": {
		Reads: "call", Prints: "rpc_response",
		Exits: "3; 4 no such node, or no network; 5 the network does not answer",
	},
	"node run": {
		Prints: "node",
		Exits: "2 or the folder cannot be used; 4 no network is named or runs; " +
			"5 the network does not answer, or a node runs in the folder; 6 the registry refuses the node; 9; " + exitsEndless,
	},
	"devnet up":         {Prints: "network", Exits: "2 or the folder cannot be used; 5 it runs already; " + exitsEndless},
	"devnet status":     {Prints: "network", Exits: "4 no devnet runs"},
	"devnet down":       {Prints: "network", Exits: "4 no devnet runs"},
	"devnet difficulty": {Prints: "network", Exits: "4 no devnet runs"},
	"devnet fault set":  {Prints: "fault", Exits: "4 no devnet runs, or it has no such node"},
	"devnet fault clear": {
		Prints: "fault", Exits: "4 no devnet runs, or it has no such node",
	},
	"devnet fault list": {Prints: "fault", Exits: "4 no devnet runs"},
	"demo": {
		Prints: "step identity receipt message friend_request swarm envelope",
		Exits:  "1 the story came out wrong",
	},
	"doctor":                {Prints: "check", Exits: "3 something is not well"},
	"clock":                 {Prints: "clock", Exits: "9 the clock is off by more than nodes allow; " + exitsNetwork},
	"config show":           {Prints: "setting", Exits: "2 no such setting"},
	"config path":           {Prints: "config"},
	"schema":                {Prints: "schema", Exits: "2 no such record"},
	"help":                  {Exits: "2 no such command or topic"},
	"errors":                {Prints: "error_code", Exits: "2 no such code"},
	"version":               {Prints: "version"},
	"completion bash":       {},
	"completion zsh":        {},
	"completion fish":       {},
	"completion powershell": {},
}

// ContractOf returns the contract of a command; topics and commands that only hold others have none.
func ContractOf(cmd *cobra.Command) (Contract, bool) {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	c, ok := Contracts[name]
	return c, ok
}

// Kinds returns the kinds of records that the command may print.
func (c Contract) Kinds() []string {
	if c.Prints == "" {
		return nil
	}
	return append(strings.Fields(c.Prints), record.TypeError)
}

// Exit is an exit code of a command, with a remark.
type Exit struct {
	record.Exit
	Remark string
}

// ExitList returns the codes that the contract lists, in their order. An entry that is no code is a mistake in the table
// above, and panics.
func (c Contract) ExitList() []Exit {
	list := []Exit{{record.Exits[record.ExitOK], ""}, {record.Exits[record.ExitUsage], ""}}
	for _, entry := range strings.FieldsFunc(c.Exits, func(r rune) bool { return r == ';' }) {
		number, remark, _ := strings.Cut(strings.TrimSpace(entry), " ")
		at := slices.IndexFunc(record.Exits, func(e record.Exit) bool { return strconv.Itoa(e.Code) == number })
		if at < 0 {
			panic(fmt.Sprintf("%q is not an exit code", entry))
		}
		list = slices.DeleteFunc(list, func(e Exit) bool { return e.Code == record.Exits[at].Code })
		list = append(list, Exit{record.Exits[at], remark})
	}
	slices.SortFunc(list, func(a, b Exit) int { return a.Code - b.Code })
	return list
}

// Text is the code's meaning here.
func (e Exit) Text() string {
	if e.Remark == "" {
		return e.Meaning
	}
	return e.Meaning + ": " + e.Remark
}

// OtherExits names the codes of all commands that the contract does not list.
func (c Contract) OtherExits() string {
	var others []string
	listed := c.ExitList()
	for _, code := range ExitsEverywhere {
		if !slices.ContainsFunc(listed, func(e Exit) bool { return e.Code == code }) {
			others = append(others, fmt.Sprint(code))
		}
	}
	return strings.Join(others, ", ")
}
