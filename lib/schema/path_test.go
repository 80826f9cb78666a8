package schema

import (
	"strings"
	"testing"

	"sessiontool/lib/record"
)

// A path is accepted if it can select something of one of the kinds, and refused with what is wrong about it.
func TestCheckPath(t *testing.T) {
	kinds := []string{record.TypeReceipt, record.TypeMessage, record.TypeResponse, record.TypeSwarmCheck}
	for _, path := range []string{
		"text", "ok", "nodes", "nodes.#", "nodes.0", "nodes.0.ok", "nodes.#.ok", "nodes|#.ok", "nodes.#(ok==true)#",
		`nodes.#(ok==true)#.pubkey_ed25519`, `nodes.#(error%"*x*").ms`, "members.#(missing.#>0)#.{address,missing}",
		"[type,from,text]", `{from,text,"when":received_at}`, `{agree,"lacking":members.#(missing.#>0)#.{address,missing}}`,
		"timestamp_*", "tex?", "text|@fromstr", "@pretty", "@this.text", "nodes.@reverse", `!"literal"`, "..#.text",
		"..0.text", "body.whatever.is.there", `te\xt`, "{a:text}", "members.#.missing.#",
		"members.#(messages==0)#.missing.0|#",
	} {
		if err := CheckPath(kinds, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for path, want := range map[string]string{
		"txet": `no field "txet"`, "": "empty", "text.": "separator", "text.x": `no field "x"`, "nodes.ok": `no field "ok"`,
		"nodes.#.okk": `no field "okk"`, "nodes.#(okk==true)": `no field "okk"`, "nodes.#(ok==true": "bracket",
		"[type,txet]": `no field "txet"`, `{"a":txet}`: `no field "txet"`, "[type": "bracket", `{"a:text}`: "quotation",
		"@preety": "no modifier", "xyz_*": `no field "xyz_*"`, "members.#(missing.x>0)#": `no field "x"`, "ok.0": "no field",
		"[]": "separator", "..#.txet": `no field "txet"`,
	} {
		if err := CheckPath(kinds, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if err := CheckPath([]string{"tea"}, "text"); err == nil {
		t.Error("an unknown record has paths")
	}
}

// Any text is a path or is none, without a panic.
func FuzzCheckPath(f *testing.F) {
	for _, path := range []string{"nodes.#(ok==true)#.ms", `{"a":[text,"b`, `\`, "#(", `"`, "..", "{a:}", `#("`} {
		f.Add(path)
	}
	f.Fuzz(func(_ *testing.T, path string) {
		_ = CheckPath([]string{record.TypeReceipt, record.TypeMessage}, path)
	})
}
