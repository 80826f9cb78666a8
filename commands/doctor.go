package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

type doctorOptions struct {
	deep     bool
	settings error // what is wrong with the settings, or nil
}

func newDoctorCommand(app *cli.App) *cobra.Command {
	opts := &doctorOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "doctor",
		Short: "Look for what keeps commands from working, and print what to do",
		Long: "Check in this order, with a record for each: the config file and settings, the keystore with its\n" +
			"modes, whether it opens and can be written, the accounts, the proxy, the network's seeds, its list of\n" +
			"service nodes (which stays usable while no seed answers), this machine's clock, an onion path, and the account's own swarm. With --deep every page of the keystore is read, too, so\n" +
			"that damage is found before a command meets it. What depends on something that failed is skipped.\n" +
			"Nothing is changed, except for what is remembered of the network.",
		Examples: []string{
			"sessiontool doctor",
			"sessiontool doctor --deep",
			"sessiontool doctor --select '{name,ok,hint}'",
		},
		Prints: []string{record.TypeCheck},
		Exits:  cli.Exits{record.ExitPartial: "something is not well"},
		Run: app.RunDespite(func(ctx context.Context, problem error) error {
			opts.settings = problem
			return runDoctor(ctx, app, opts)
		}),
	})
	cmd.Flags().BoolVar(&opts.deep, "deep", false, "read everything in the keystore")
	return cmd
}

// doctor is one round of checks, with the results that later checks need.
type doctor struct {
	app      *cli.App
	deep     bool            // read everything
	settings error           // what is wrong with the settings
	failed   map[string]bool // checks that failed or were skipped
	store    *keystore.Store
	account  *account.Account
	client   *network.Client
	seedsErr error // why the seeds gave no list, or nil
}

// examination is one check. It returns what it found, or the error that a command would end with.
type examination struct {
	name  string
	needs []string // what must be well for it to make sense
	run   func(ctx context.Context) (found string, err error)
}

func runDoctor(ctx context.Context, app *cli.App, opts *doctorOptions) error {
	d := &doctor{app: app, deep: opts.deep, settings: opts.settings, failed: make(map[string]bool)}
	for _, e := range []examination{
		{"config", nil, d.checkConfig},
		{"keystore", []string{"config"}, d.checkKeystore},
		{"account", []string{"keystore"}, d.checkAccount},
		{"proxy", []string{"config"}, d.checkProxy},
		{"seeds", []string{"config", "proxy"}, d.checkSeeds},
		{"network", []string{"config", "proxy"}, d.checkNetwork},
		{"clock", []string{"network"}, d.checkClock},
		{"path", []string{"network"}, d.checkPath},
		{"swarm", []string{"path", "account"}, d.checkSwarm},
	} {
		out := record.Check{Type: record.TypeCheck, Name: e.name}
		if missing := d.missing(e.needs); missing != "" {
			out.Skipped, out.Detail, out.Hint = true, "not looked at", "mend "+missing+" first"
			d.failed[e.name] = true
		} else if err := d.examine(ctx, e, &out); err != nil {
			return err
		}
		if err := d.app.Print(out); err != nil {
			return err
		}
	}
	if len(d.failed) > 0 {
		return cli.ErrPartial
	}
	return nil
}

func (d *doctor) missing(needs []string) string {
	for _, need := range needs {
		if d.failed[need] {
			return need
		}
	}
	return ""
}

// examine runs one check. It returns an error only if the whole command has to end.
func (d *doctor) examine(ctx context.Context, e examination, out *record.Check) error {
	started := time.Now()
	found, err := e.run(ctx)
	out.Millis = time.Since(started).Milliseconds()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		out.OK, out.Detail = true, found
		return nil
	}
	problem := cli.Describe(err)
	out.Detail, out.Code, out.Hint = problem.Message, problem.Code, problem.Hint
	if out.Skipped = errors.Is(err, network.ErrNoTime); out.Skipped {
		return nil // a network of 2.0 need not give a time, and works without
	}
	d.failed[e.name] = true
	return nil
}

func (d *doctor) checkConfig(context.Context) (string, error) {
	if d.settings != nil {
		return "", d.settings
	}
	_, path, err := cli.ReadConfig(d.app.Streams.Env)
	if err != nil {
		return "", err
	}
	set := 0
	for _, name := range cli.Settings {
		if from, _ := d.app.Origin(name); from.Kind != cli.OriginDefault {
			set++
		}
	}
	return fmt.Sprintf("%d of %d settings are set; the config file would be %s", set, len(cli.Settings), path), nil
}

func (d *doctor) checkKeystore(ctx context.Context) (_ string, err error) {
	if d.store, err = d.app.OpenKeystore(ctx); err != nil {
		return "", err
	}
	if err := d.store.CheckWritable(ctx); err != nil {
		return "", err
	}
	found := d.app.KeystoreDir + " is private, opens and can be written"
	if !d.deep {
		return found, nil
	}
	records, err := d.store.Check(ctx)
	return fmt.Sprintf("%s; all of its %d records are whole", found, records), err
}

func (d *doctor) checkAccount(ctx context.Context) (string, error) {
	names, err := d.store.Accounts(ctx)
	if err != nil {
		return "", err
	}
	if d.account, err = d.app.OpenAccount(ctx); err != nil {
		return "", err
	}
	all := strings.Join(names, ", ")
	return fmt.Sprintf("%s is %s; the keystore has %s", d.account.Name(), d.account.ID(), all), nil
}

// checkProxy connects to the proxy, if there is one.
func (d *doctor) checkProxy(ctx context.Context) (string, error) {
	proxy, source, err := d.app.Proxy()
	switch {
	case err != nil:
		return "", err
	case proxy.IsZero():
		return "no proxy: connections are direct", nil
	}
	if err := proxy.Check(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s) takes connections", proxy, source), nil
}

// checkSeeds asks the seeds for their lists.
func (d *doctor) checkSeeds(ctx context.Context) (_ string, err error) {
	if d.client, err = d.app.OpenNetwork(); err == nil {
		err = d.client.Refresh(ctx)
	}
	if d.seedsErr = err; err != nil {
		return "", err
	}
	if seeds := len(d.client.Seeds()); seeds > 1 {
		return fmt.Sprintf("enough of the %d seeds answer, and agree", seeds), nil
	}
	return "the only seed answers", nil
}

// checkNetwork says which list of service nodes is used. One that the seeds have not given now is shown with its age.
func (d *doctor) checkNetwork(context.Context) (string, error) {
	if d.client == nil || d.seedsErr != nil && d.client.List().Nodes == 0 {
		return "", d.seedsErr
	}
	list := d.client.List()
	age := d.app.Now().Sub(list.At).Round(time.Second)
	switch {
	case list.Source == network.ListImport:
		return fmt.Sprintf("%d service nodes of a list that was imported %s ago and that nobody has signed",
			list.Nodes, age), nil
	case d.seedsErr != nil:
		return fmt.Sprintf("%d service nodes of the list that the seeds gave %s ago", list.Nodes, age), nil
	}
	return fmt.Sprintf("the seeds list %d service nodes", list.Nodes), nil
}

func (d *doctor) checkClock(ctx context.Context) (string, error) {
	clock, err := readClock(ctx, d.app, d.client)
	if err != nil {
		return "", err
	}
	return clockText(clock), clockProblem(clock)
}

// checkPath sends a request through a path: choosing a path alone does not show that its hops answer.
func (d *doctor) checkPath(ctx context.Context) (string, error) {
	nodes, err := d.client.Nodes(ctx)
	if err != nil {
		return "", err
	}
	request, err := storage.NewRequest(storage.MethodSwarm, rpc20.SwarmParams{PubKey: sessionid.ID{}.String()})
	if err != nil {
		return "", err
	}
	answer, err := d.client.Request(ctx, d.client.Shuffle(nodes)[0], request)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("a request went through %d hops; the guard is %s", len(answer.Path), answer.Path[0].Ed25519), nil
}

func (d *doctor) checkSwarm(ctx context.Context) (string, error) {
	members, err := d.client.LookupSwarm(ctx, d.account.ID())
	if err != nil {
		return "", err
	}
	if len(members) < network.SwarmTargets {
		return "", errors.New("the swarm has fewer members than messages are stored to")
	}
	const found = "%d nodes keep this account's messages; 'sessiontool swarm check' compares them"
	return fmt.Sprintf(found, len(members)), nil
}
