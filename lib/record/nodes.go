package record

// Node is a service node. SwarmID is 16 hex digits, or empty if it is not known.
type Node struct {
	Type          string `json:"type,omitempty"`
	Address       string `json:"address"`
	IP            string `json:"ip"`
	Port          int    `json:"port"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	SwarmID       string `json:"swarm_id,omitempty"`
	MetricsURL    string `json:"metrics_url,omitempty"`
	PageURL       string `json:"page_url,omitempty"`
	NodeList      string `json:"node_list,omitempty"` // as in Swarm
}

// Repair says what 'node repair' found in a node's folder, and what the node has now. SetAside is the damaged database.
type Repair struct {
	Type       string   `json:"type"`
	Dir        string   `json:"dir"`
	Damaged    bool     `json:"damaged"`
	Damage     []string `json:"damage"`
	SetAside   string   `json:"set_aside,omitempty"`
	Messages   int      `json:"messages"`
	Tombstones int      `json:"tombstones"`
	Lost       int      `json:"lost"`
	FromSwarm  int      `json:"from_swarm"`
}

// Path is the hops of an onion request, guard first.
type Path struct {
	Type  string `json:"type"`
	Guard string `json:"guard"`
	Hops  []Node `json:"hops"`

	NodeList string `json:"node_list,omitempty"` // as in Swarm
}

// Call is the input of onion send: a storage RPC for one node, or for a member of a Session ID's swarm.
type Call struct {
	Method string         `json:"method"`
	Params map[string]any `json:"params"`
	Node   string         `json:"node,omitempty"`
	Ref    string         `json:"ref,omitempty"`
}

// Response is a storage RPC's answer. Body is the answer as JSON if it is JSON, else a string.
type Response struct {
	Type   string   `json:"type"`
	Node   string   `json:"node"`
	Path   []string `json:"path"`
	Status int      `json:"status"`
	Body   any      `json:"body"`
	Millis int64    `json:"ms"`
	Ref    string   `json:"ref,omitempty"`
}

// Network names a network's seeds. It is also the content of a network file. Generation is the storage RPC of its
// nodes, 2.0 or 2.8; without it clients probe the nodes. Pins are the SHA-256 digests, in hex, of the certificates that
// seeds must present, by URL. OnionCipher is aes-gcm, the default, or xchacha20.
type Network struct {
	Type         string            `json:"type"`
	Name         string            `json:"name"`
	File         string            `json:"file"`
	Seeds        []string          `json:"seeds"`
	Nodes        int               `json:"nodes"`
	Swarms       int               `json:"swarms,omitempty"`
	Difficulty   int64             `json:"difficulty,omitempty"`
	OnionVersion int               `json:"onion_version,omitempty"`
	PID          int               `json:"pid,omitempty"`
	Up           *bool             `json:"up,omitempty"`
	MetricsURL   string            `json:"metrics_url,omitempty"`
	PageURL      string            `json:"page_url,omitempty"`
	Generation   string            `json:"generation,omitempty"`
	Like         string            `json:"like,omitempty"`
	LatencyMS    float64           `json:"latency_ms,omitempty"` // of a devnet: what all its nodes have in common
	JitterMS     float64           `json:"jitter_ms,omitempty"`
	Loss         float64           `json:"loss,omitempty"`
	Pins         map[string]string `json:"pins,omitempty"`
	OnionCipher  string            `json:"onion_cipher,omitempty"`
	Failed       []Error           `json:"failed,omitempty"` // nodes of a devnet that could not start
}

// Fault is a fault injected into a node of a devnet. Active is false after the fault was cleared, and for a restart,
// which ends at once. 'devnet fault set --help' lists the settings of each kind.
type Fault struct {
	Type          string  `json:"type"`
	Kind          string  `json:"kind"`
	Index         int     `json:"index"`
	PubkeyEd25519 string  `json:"pubkey_ed25519"`
	Active        bool    `json:"active"`
	Requests      string  `json:"requests,omitempty"`
	Share         float64 `json:"share,omitempty"`
	DelayMS       float64 `json:"delay_ms,omitempty"`
	JitterMS      float64 `json:"jitter_ms,omitempty"`
	SkewMS        float64 `json:"skew_ms,omitempty"`
	Group         int     `json:"group,omitempty"`
}
