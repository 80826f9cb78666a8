package cli

import (
	"slices"
	"testing"

	"sessiontool/lib/record"
)

// The arguments that a command accepts follow from its command line.
func TestArgsFollowFromUse(t *testing.T) {
	for _, test := range []struct {
		use  string
		args []string
		ok   bool
	}{
		{"list", nil, true},
		{"list", []string{"x"}, false},
		{"list", []string{"-"}, false},
		{"send [-]", nil, true},
		{"send [-]", []string{"-"}, true},
		{"send [-]", []string{"x"}, false},
		{"send [-]", []string{"-", "-"}, false},
		{"show ID", []string{"x"}, true},
		{"show ID", nil, false},
		{"show ID", []string{"x", "y"}, false},
		{"check [ID...]", nil, true},
		{"check [ID...]", []string{"x", "y", "z"}, true},
		{"expire --ttl TIME [HASH...]", []string{"x"}, true},
	} {
		cmd := New(Streams{}).Command(Spec{Use: test.use})
		if err := cmd.ValidateArgs(test.args); (err == nil) != test.ok {
			t.Errorf("%s with %q: %v", test.use, test.args, err)
		}
	}
}

// The exits that a command lists follow from what it reads and needs; its own come on top and replace their remarks.
func TestExitsFollowFromReadsAndNeeds(t *testing.T) {
	always := []int{record.ExitOK, record.ExitUsage}
	account := []int{record.ExitNotFound, record.ExitAuth, record.ExitLocked}
	network := []int{record.ExitNotFound, record.ExitTemporary}
	for name, test := range map[string]struct {
		spec Spec
		want []int
	}{
		"nothing": {Spec{}, always},
		"filter":  {Spec{Reads: []string{record.TypeEnvelope}}, append([]int{record.ExitPartial}, always...)},
		"account": {Spec{Needs: Account}, append(account, always...)},
		"network": {Spec{Needs: Network}, append(network, always...)},
		"both":    {Spec{Needs: Account | Network}, append(append(account, always...), record.ExitTemporary)},
		"own": {
			Spec{Needs: Network, Exits: Exits{record.ExitClock: ""}},
			append(append(network, always...), record.ExitClock),
		},
	} {
		var got []int
		for _, e := range test.spec.ExitList() {
			got = append(got, e.Code)
		}
		if want := slices.Sorted(slices.Values(test.want)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	spec := Spec{Needs: Account, Exits: Exits{record.ExitNotFound: "no such contact"}}
	for _, e := range spec.ExitList() {
		if e.Code == record.ExitNotFound && e.Remark != "no such contact" {
			t.Errorf("the remark is %q", e.Remark)
		}
	}
}
