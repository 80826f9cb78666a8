package docgen

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
	"sessiontool/lib/schema"
)

// topics are the help pages that belong to no command, as in 'sessiontool help records', and the pages of docs/ with
// the same names. Their texts are made on demand.
var topics = []struct {
	name, summary, example string
	text                   func() string
}{
	{"guide", "What to type for which task, ready to paste", guideExample, guideText},
	{"exit-codes", "What the exit and error codes mean", "", exitCodesText},
	{"environment", "Environment variables, the config file and their order", "", environmentText},
	{"records", "The records that commands read and print, field by field", "", recordsText},
	{"pipelines", "How commands work together", pipelinesExample, pipelinesText},
	{"protocols", "Which protocol is spoken with whom", protocolsExample, protocolsText},
}

// Topics returns a command for each topic, so that help lists it. These commands do not run.
func Topics() (all []*cobra.Command) {
	for _, topic := range topics {
		all = append(all, &cobra.Command{Use: topic.name, Short: topic.summary, Example: topic.example})
	}
	return all
}

// TopicNames returns the names of all topics.
func TopicNames() (names []string) {
	for _, topic := range topics {
		names = append(names, topic.name)
	}
	return names
}

// topicText returns the page of a topic, or the empty string if cmd is not a topic.
func topicText(cmd *cobra.Command) string {
	for _, topic := range topics {
		if topic.name == cmd.Name() && cmd.IsAdditionalHelpTopicCommand() {
			return topic.text()
		}
	}
	return ""
}

const guideExample = "  sessiontool guide\n  sessiontool guide | less"

const exitCodesIntroduction = `A failing command ends with an error record as the last line on stderr. In a batch an
error record also takes the place of the item that failed, and the command ends with 3, or with 5 if each failure may go
away: then the same batch can be run again, and what has a receipt is not sent twice. A script should treat an exit code
that it does not know as a failure.
`

const exitCodesRemarks = `An empty poll is 0. A reader that goes away, as in 'poll | head -n 1', and a full disk are
5. So is a closed stdout for commands whose printed records count as read: poll, listen and envelope open. The next
run prints what could not be written. What a reader took and threw away is in the inbox, so use 'poll --count 1' to
take one message. 'listen' ends as soon as the reader of its pipe is gone, without waiting for a message. The first
SIGINT, SIGTERM or SIGHUP ends a command in order, with 130, 143 or 129, also while its reader does not read. A second
one kills it, as SIGKILL does, and even then nothing is lost. On Windows a reader that does not read holds a command up
until the second signal.

The codes of error records say more. 'sessiontool errors CODE' prints what to do about one.
`

func exitCodesText() string {
	var b strings.Builder
	b.WriteString(exitCodesIntroduction + "\n")
	for _, e := range record.Exits {
		fmt.Fprintf(&b, "  %-3d  %s\n", e.Code, e.Meaning)
	}
	fmt.Fprintf(&b, "\n%s\n  %-4s  %-21s  %-5s  %s\n", exitCodesRemarks, "exit", "code", "retry", "meaning")
	for _, info := range record.Codes {
		retry := "no"
		if info.Retryable {
			retry = "yes"
		}
		fmt.Fprintf(&b, "  %-4d  %-21s  %-5s  %s\n", info.Exit, info.Code, retry, info.Meaning)
	}
	return b.String()
}

// otherVariables are the environment variables that are not settings, with their meanings.
var otherVariables = [][2]string{
	{"XDG_CONFIG_HOME", "folder above sessiontool/config.json and sessiontool/networks/NAME.json (default ~/.config)"},
	{"XDG_DATA_HOME", "folder above the default keystore (default ~/.local/share)"},
	{"XDG_STATE_HOME", "folder above the notes and data of running devnets (default ~/.local/state)"},
	{"CREDENTIALS_DIRECTORY", "set by systemd: a credential sessiontool-passphrase in it opens the keystore"},
	{"HTTPS_PROXY, ALL_PROXY", "the proxy for every connection, also in lower case, unless --proxy (or its variable, or the " +
		"config file) names one"},
	{"NO_PROXY", "hosts that are reached without HTTPS_PROXY and ALL_PROXY: names with those below them, addresses and " +
		"ranges, with commas between them, such as localhost,127.0.0.0/8 for a devnet of this machine; nothing goes past " +
		"the proxy of --proxy"},
	{"NO_COLOR", "no colours with --output human, which has them on a terminal only; with TERM=dumb or --quiet there is " +
		"no progress bar either"},
}

func environmentText() string {
	var b strings.Builder
	b.WriteString("Flags override environment variables, which override the config file, which overrides the\n" +
		"defaults. 'sessiontool config show --origin' prints the settings in effect. An empty variable counts\n" +
		"as unset. No variable contains a secret; some name a place to read one from.\n\n")
	fmt.Fprintf(&b, "  %-22s  %-32s  %s\n", "flag", "environment", "config file")
	for _, name := range cli.Settings {
		fmt.Fprintf(&b, "  %-22s  %-32s  %s\n", "--"+name, cli.VariableOf(name), cli.FileKeyOf(name))
	}
	b.WriteString("\n")
	for _, variable := range otherVariables {
		fmt.Fprintf(&b, "  %-22s  %s\n", variable[0], wrap(variable[1], 90, strings.Repeat(" ", 26)))
	}
	b.WriteString("\nThe config file is a JSON object of strings, by default ~/.config/sessiontool/config.json:\n\n" +
		"  {\"account\": \"alice\", \"network\": \"http://192.0.2.1:22023\", \"timeout\": \"30s\"}\n")
	return b.String()
}

const recordsIntroduction = `Records are JSON objects, one per line. Each has a type. Names are snake_case with units
in them, hex is lower case, times are RFC 3339 in UTC except signed protocol timestamps (timestamp_ms), and lists are
always present. Within a major version fields are only added. Input may be JSON lines or concatenated JSON. Commands
ignore unknown fields, and print the ref of an item in its result. 'sessiontool schema RECORD' prints the JSON
Schema.

A field with ? is absent if it has no value. # means each item of a list.
`

func recordsText() string {
	var b strings.Builder
	b.WriteString(recordsIntroduction)
	for _, kind := range record.Kinds {
		fields, err := schema.Fields(kind)
		if err != nil {
			panic(err) // a field that the glossary lacks, which a test finds
		}
		fmt.Fprintf(&b, "\n%s: %s (%s)\n", kind.Name, kind.Summary, direction(kind))
		for _, field := range fields {
			fmt.Fprintf(&b, "  %-26s  %-16s  %s\n", fieldName(field), field.Types, field.Meaning)
		}
	}
	return b.String()
}

// fieldName returns the path of a field, with a question mark if the field may be absent.
func fieldName(field schema.Field) string {
	if field.Required {
		return field.Path
	}
	return field.Path + "?"
}

// direction returns whether a record is read, printed or both.
func direction(kind record.Kind) string {
	switch {
	case kind.Input && kind.Output:
		return "read and printed"
	case kind.Input:
		return "read"
	}
	return "printed"
}

func pipelinesText() string {
	return `The everyday commands are small steps joined, and each step is a command: send is 'envelope seal |
pow solve | swarm store', and poll is 'swarm retrieve | envelope open'.

A command reads stdin only if its flags and arguments do not give the input; '-' always means stdin. Each item of a
batch gets its record, in order. An item that fails gets an error record with its ref and its line. --select prints
what a gjson path selects of each record, texts without quotes, and puts error records on stderr.

What others wrote is data. A text can be several lines, and its writer chooses every character of it. --select0 ends
each with a NUL, for 'xargs -0' and 'read -d ""'; a NUL within a text becomes U+FFFD. Where stdout is a terminal,
--select and --select0 show control characters, line feeds among them, and characters that change the direction of text
escaped as in JSON; in a pipe they pass as they are. Records, errors and logs always have them escaped.
`
}

const pipelinesExample = "  sessiontool envelope seal --to $BOB --text 'step by step' | " +
	"sessiontool pow solve | sessiontool swarm store\n" +
	`  sessiontool swarm retrieve | sessiontool envelope open --select text
  sessiontool identity list | sessiontool swarm lookup --select nodes.#.pubkey_ed25519
  printf '{"to":"%s","text":"%s is up"}\n' $BOB "$(hostname)" | sessiontool send
  sessiontool friend-request list | sessiontool friend-request accept
  sessiontool inbox --select0 text | xargs -0 -n 1 printf 'A text: %s\n'
  sessiontool contact list --select session_id | while read -r id; do sessiontool swarm lookup $id; done`

const protocolsExample = `  sessiontool send --to $BOB --text 'backup failed' --protocol session-v1
  sessiontool contact list --select protocol`

func protocolsText() string {
	return `Two choices do not depend on each other: the storage RPC of the network, and the protocol of the messages.

The network has storage RPC 2.0 or 2.8, by which clients store and retrieve. The network file or the devnet says which;
else sessiontool asks the nodes once. mainnet and testnet have 2.8.

Protocol signal starts with a friend request. It has sessions with forward secrecy, proof of work where the network
asks for it, and the synchronous route. Protocol session-v1 is that of phones: you can write to anyone at once, without
a session, so it has no forward secrecy. Protocol session-v2 (2026, not released) brings forward secrecy to the same
accounts: it encrypts for a key that the recipient publishes in its swarm and replaces every 12 hours, with X25519 and
ML-KEM-768. What each gives:

  protocol                       signal    session-v1  session-v2  session-v2 --no-pfs
  forward secrecy                yes       no          yes (1)     no
  heals after a theft            yes (2)   no          yes (3)     no
  deniable                       yes       no          no          no
  safe against quantum computers no        no          yes         no
  needs before the first text    (4)       nothing     (5)         nothing

  (1) once the keys of its time are deleted: 16 days after they were replaced, in the keystores of all devices
  (2) after the next messages in both directions
  (3) after the next keys, within 2 to 5 days, unless the thief acts as a device of the account
  (4) a friend request that is accepted
  (5) a key that the recipient publishes: 'sessiontool identity keys publish'

With --protocol auto a message has the protocol of the contact's last message. To a new contact it has the usual
protocol of the network: signal with 2.0, and with 2.8 session-v2 if the recipient publishes a key, else session-v1.
The receipt says which. --protocol session-v2 insists on a published key, and with --no-pfs needs none. A fetched key is
used for 24 hours, then for 24 more while it is fetched anew; a recipient without one is asked again after an hour.
Messages of all protocols are read on every network.

Two devices of one account share the keys of session-v2 once they are linked: see 'sessiontool device link --help'.

What a transcript of messages proves to others, if one side shows it with all its keys:

  signal       nothing: either side can make up what the other one wrote, with 'transcript forge'
  session-v1   who wrote it: each message has its sender's Ed25519 signature over text, sender and recipient
  session-v2   who wrote it: each message has its sender's Ed25519 signature over text, sender and recipient

The first text of a stranger with session-v1 or session-v2 is a friend request as well: poll prints a friend_request record and then
the message, with the same id. An answer accepts it, as does friend-request accept.
`
}
