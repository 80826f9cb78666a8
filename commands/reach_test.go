package commands

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// listedNowhere is a list of service nodes with addresses of IPv4 that no machine has.
const listedNowhere = `
{"pubkey_ed25519":"3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
"pubkey_x25519":"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a","ip":"192.0.2.1","port":22021}
{"pubkey_ed25519":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
"pubkey_x25519":"7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13","ip":"192.0.2.2","port":22021,"swarm_id":"07"}
{"pubkey_ed25519":"8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
"pubkey_x25519":"7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13","ip":"192.0.2.3","port":22021,"swarm_id":"07"}
{"pubkey_ed25519":"ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
"pubkey_x25519":"7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13","ip":"192.0.2.4","port":22021,"swarm_id":"07"}
{"pubkey_ed25519":"ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c",
"pubkey_x25519":"7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13","ip":"192.0.2.5","port":22021,"swarm_id":"07"}
`

// A machine that has IPv6 alone hears so within 5 s, from each command that needs a seed or a node with IPv4. One that
// has no network at all hears that the network does not answer.
func TestWithoutIPv4(t *testing.T) {
	const lone = "ip link set lo up && "
	const onlyIPv6 = lone + "ip -6 addr add 2001:db8::2/64 dev lo nodad && ip -6 route add default dev lo && "
	if err := exec.Command("unshare", "-n", "sh", "-c", onlyIPv6+"true").Run(); err != nil {
		t.Skipf("this user cannot make a network namespace with IPv6: %v", err)
	}
	alice := newPerson(t, "http://[::1]:1", "Alice")
	list := filepath.Join(alice.home, "list")
	if err := os.WriteFile(list, []byte(listedNowhere), 0o600); err != nil {
		t.Fatal(err)
	}
	alice.must("", "network", "import", list)
	for _, c := range []struct{ network, machine, command, code string }{
		{"http://192.0.2.1:80", onlyIPv6, "poll", "no_ipv4"},
		{"http://192.0.2.1:80", lone, "poll", "network_unreachable"},
		{alice.seed, onlyIPv6, "poll", "no_ipv4"},
		{alice.seed, onlyIPv6, "send --protocol session-v1 --text x --to " + alice.id[:64] + "00", "no_ipv4"},
		{alice.seed, onlyIPv6, "swarm lookup " + alice.id, "no_ipv4"},
		{alice.seed, lone, "poll", "network_unreachable"},
	} {
		cmd := exec.CommandContext(t.Context(), "unshare", "-n", "sh", "-c",
			c.machine+"exec sessiontool --network '"+c.network+"' "+c.command)
		cmd.Env = alice.environment()
		var problems bytes.Buffer
		cmd.Stderr = &problems
		exit := (*exec.ExitError)(nil)
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 5 {
			t.Errorf("%s: %v", c.command, err)
		}
		if code := gjson.Get(lastLine(problems.String()), "code").Str; code != c.code {
			t.Errorf("%s: want %s: %s", strings.Fields(c.command)[0], c.code, problems.String())
		}
	}
	if nodes := alice.must("", "network", "show", "--select", "nodes"); strings.TrimSpace(nodes) != "5" {
		t.Errorf("the list has %s nodes afterwards", nodes)
	}
}

// expiredCertificate returns a certificate for this machine whose time is over.
func expiredCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(-time.Hour)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end, IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}
}

// Several seeds with expired certificates: without pins the error names the certificate and how to pin it, with the
// right pins everything works, and a wrong pin is refused.
func TestExpiredSeeds(t *testing.T) {
	devnet := startDevnet(t, usual)
	behind, err := url.Parse(devnet.SeedURL())
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: behind.Scheme, Host: behind.Host})
	}}
	var seeds []string
	pins := make(map[string]string)
	for range 3 {
		seed := httptest.NewUnstartedServer(forward)
		seed.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are refused are expected
		certificate := expiredCertificate(t)
		seed.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
		seed.StartTLS()
		t.Cleanup(seed.Close)
		seeds = append(seeds, seed.URL)
		pins[seed.URL] = fmt.Sprintf("%x", sha256.Sum256(certificate.Certificate[0]))
	}
	alice := &person{t: t, home: t.TempDir()}
	with := func(pins map[string]string) result {
		t.Helper()
		data, err := json.Marshal(map[string]any{"seeds": seeds, "pins": pins, "generation": "2.0"})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "network.json")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		alice.seed = file
		return alice.run("", "", "swarm", "nodes")
	}
	for name, pins := range map[string]map[string]string{
		"no pins": nil, "wrong pins": {seeds[0]: strings.Repeat("0", 64), seeds[1]: strings.Repeat("0", 64)},
	} {
		r := with(pins)
		problem := lastLine(r.err)
		if gjson.Get(problem, "code").Str != "seed_certificate" || r.code != 5 ||
			!strings.Contains(gjson.Get(problem, "hint").Str, "network show --help") {
			t.Errorf("%s: exit %d: %s", name, r.code, problem)
		}
	}
	if r := with(pins); r.code != 0 || strings.Count(r.out, `"type":"node"`) != usual.Nodes {
		t.Errorf("with the pins: exit %d: %s", r.code, r.err)
	}
	if shown := alice.must("", "network", "show", "--select", "pinned.#"); strings.TrimSpace(shown) != "3" {
		t.Errorf("network show names %s pinned seeds", shown)
	}
}
