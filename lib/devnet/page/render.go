package page

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"

	"sessiontool/lib/devnet"
	"sessiontool/lib/devnet/meter"
)

//go:embed assets templates
var files embed.FS

// document is what the page shows.
type document struct {
	Ring       ringPicture
	Nodes      []nodeView
	Swarms     int
	Own        int // nodes of this process
	Running    int // of them
	Messages   int
	Topology   int64
	Difficulty uint64
	Generation string
	Like       string
	Changes    bool // whether anything can be changed here
	FaultKinds []devnet.FaultKind
	Requests   []string
	Legend     []legendEntry

	Selected *nodeView // nil if no node is chosen
	Figures  meter.Figures
}

// legendEntry is a kind that the page shows, or several that it shows in the same way.
type legendEntry struct {
	Name  string // of the class and of the script's group
	Label string
}

var legend = []legendEntry{
	{"onion", "onion requests"}, {"stored", "stored"}, {"replica", "replicated"}, {"delivered", "delivered"},
	{"other", "other requests"}, {"bad", "lost or refused"},
}

// newDocument describes a view, with a chosen node unless node is -1.
func (p *Page) newDocument(v *view, node int) (document, error) {
	d := document{
		Ring: drawRing(v), Nodes: v.nodes, Swarms: len(v.sizes), Topology: v.topology, Difficulty: v.difficulty,
		Generation: v.generation, Like: v.like, Changes: p.options.Controls != nil, FaultKinds: devnet.FaultKinds,
		Requests: devnet.FaultRequests, Legend: legend,
	}
	for i := range v.nodes {
		n := &v.nodes[i]
		if n.Own() {
			d.Own++
		}
		if n.Status == statusRuns || n.Status == statusFault {
			d.Running++
		}
		d.Messages += n.Messages
	}
	if node < 0 || node >= len(v.nodes) {
		return d, nil
	}
	d.Selected = &v.nodes[node]
	if !d.Selected.Own() || d.Selected.Status == statusFailed {
		return d, nil
	}
	var err error
	d.Figures, err = p.options.Source.Figures(node)
	return d, err
}

// Outside returns the number of nodes of other processes.
func (d document) Outside() int { return len(d.Nodes) - d.Own }

// Plural returns word, with an s unless count is 1.
func (d document) Plural(count int, word string) string { return plural(count, word) }

// overview is the figures of the whole network.
type overview struct {
	Well, Faulty, Stopped, Outside, Queued, Listeners int
	Size                                              string
	Versions                                          []string // with the number of nodes if there are several
}

// Overview adds up the figures of all nodes.
func (d document) Overview() overview {
	var o overview
	bytes := int64(0)
	versions := make(map[string]int)
	for _, n := range d.Nodes {
		switch n.Status {
		case statusRuns:
			o.Well++
		case statusFault:
			o.Faulty++
		case statusOutside:
			o.Outside++
		default:
			o.Stopped++
		}
		o.Queued, o.Listeners, bytes = o.Queued+n.Queued, o.Listeners+n.Listeners, bytes+n.Bytes
		if n.Version != "" {
			versions[n.Version]++
		}
	}
	o.Size = sizeText(bytes)
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		text := version
		if len(versions) > 1 {
			text += fmt.Sprintf(" (%d)", versions[version])
		}
		o.Versions = append(o.Versions, text)
	}
	return o
}

// Positions is the position of each swarm on the ring, in the order of Ring.Arcs, for the script.
func (d document) Positions() (text string) {
	for i, arc := range d.Ring.Arcs {
		if i > 0 {
			text += " "
		}
		text += arc.ID
	}
	return text
}

func (p *Page) serveDocument(w http.ResponseWriter, r *http.Request) { p.render(w, r, document.page) }

func (p *Page) servePart(part func(document) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { p.render(w, r, part) }
}

// render writes a part of the page, about the node that the request names, if any.
func (p *Page) render(w http.ResponseWriter, r *http.Request, part func(document) string) {
	node := -1
	if text := r.FormValue("node"); text != "" {
		var err error
		if node, err = strconv.Atoi(text); err != nil {
			http.Error(w, "node is no number", http.StatusBadRequest)
			return
		}
	}
	d, err := p.newDocument(p.collector.present(), node)
	if err != nil {
		p.options.Logger.Error("making the page", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	p.write(w, "text/html; charset=utf-8", []byte(part(d)))
}

// types are the content types of assets. Those of the system's tables may differ.
var types = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	data, err := fs.ReadFile(files, "assets/"+r.URL.Path)
	kind := types[path.Ext(r.URL.Path)]
	if err != nil || kind == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Write(data) // the client notices an error
}
