package devnet

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"sessiontool/lib/devnet/meter"
)

var updateDashboard = flag.Bool("update-dashboard", false, "write docs/grafana.json")

const dashboardFile = "../../docs/grafana.json"

// family is a family of metrics, as a Prometheus server learns of it.
type family struct{ name, kind, help string }

// families are those that the metrics endpoint has.
func families(t *testing.T) (all []family) {
	t.Helper()
	var out strings.Builder
	if err := meter.Write(&out, []meter.Measured{{Name: "a", Meter: meter.New()}}); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$`).FindAllStringSubmatch(out.String(), -1)
	for _, match := range found {
		all = append(all, family{name: match[1], help: match[2], kind: match[3]})
	}
	return all
}

// groupings are the labels by which the dashboard adds up a family. The others are shown node by node.
var groupings = map[string]string{
	"sessiontool_requests_total": "endpoint, status", "sessiontool_storage_requests_total": "method, status",
	"sessiontool_onion_layers_total": "step", "sessiontool_peer_requests_total": "path, status",
	"sessiontool_request_duration_seconds": "endpoint",
}

// units are those of Grafana.
var units = map[string]string{"sessiontool_store_bytes": "bytes", "sessiontool_request_duration_seconds": "s"}

type target struct {
	RefID      string         `json:"refId"`
	Expr       string         `json:"expr"`
	Legend     string         `json:"legendFormat"`
	Datasource map[string]any `json:"datasource"`
}

type panel struct {
	ID          int            `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Datasource  map[string]any `json:"datasource"`
	GridPos     map[string]int `json:"gridPos"`
	FieldConfig map[string]any `json:"fieldConfig"`
	Options     map[string]any `json:"options"`
	Targets     []target       `json:"targets"`
}

var source = map[string]any{"type": "prometheus", "uid": "${source}"}

// panelOf makes the panel of a family.
func panelOf(i int, f family) panel {
	const chosen = `{node=~"$node"}`
	by := groupings[f.name]
	legend := "{{node}}"
	if by != "" {
		legend = "{{" + strings.ReplaceAll(by, ", ", "}} {{") + "}}"
	} else {
		by = "node"
	}
	unit := "short"
	if units[f.name] != "" {
		unit = units[f.name]
	}
	p := panel{
		ID: i + 1, Type: "timeseries", Title: strings.TrimSuffix(f.help, "."), Datasource: source,
		GridPos:     map[string]int{"x": 12 * (i % 2), "y": 8 * (i / 2), "w": 12, "h": 8},
		FieldConfig: map[string]any{"defaults": map[string]any{"unit": unit, "min": 0}, "overrides": []any{}},
		Options: map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		},
	}
	add := func(expr, legend string) {
		p.Targets = append(p.Targets, target{string(rune('A' + len(p.Targets))), expr, legend, source})
	}
	switch f.kind {
	case "counter":
		add(fmt.Sprintf("sum by (%s) (rate(%s%s[$__rate_interval]))", by, f.name, chosen), legend)
		p.FieldConfig["defaults"].(map[string]any)["unit"] = "ops"
	case "histogram":
		for _, quantile := range []string{"0.5", "0.99"} {
			add(fmt.Sprintf("histogram_quantile(%s, sum by (le, %s) (rate(%s_bucket%s[$__rate_interval])))",
				quantile, by, f.name, chosen), legend+" "+quantile)
		}
	default:
		add(f.name+chosen, legend)
	}
	return p
}

// dashboard makes docs/grafana.json.
func dashboard(all []family) ([]byte, error) {
	var panels []panel
	for i, f := range all {
		panels = append(panels, panelOf(i, f))
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(map[string]any{
		"title": "sessiontool nodes", "uid": "sessiontool-nodes", "schemaVersion": 39, "version": 1, "editable": true,
		"tags": []string{"sessiontool"}, "refresh": "10s", "time": map[string]string{"from": "now-1h", "to": "now"},
		"timezone": "browser", "panels": panels,
		"templating": map[string]any{"list": []any{
			map[string]any{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
			map[string]any{
				"name": "node", "label": "Node", "type": "query", "datasource": source, "refresh": 2, "multi": true,
				"includeAll": true, "query": "label_values(sessiontool_node_up, node)",
				"current": map[string]any{"text": "All", "value": "$__all"},
			},
		}},
	})
	return out.Bytes(), err
}

// The dashboard has a panel for every family of metrics, and none for another.
func TestDashboardIsCurrent(t *testing.T) {
	all := families(t)
	if len(all) < 10 {
		t.Fatalf("only %d families of metrics", len(all))
	}
	want, err := dashboard(all)
	if err != nil {
		t.Fatal(err)
	}
	if *updateDashboard {
		if err := os.WriteFile(dashboardFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/grafana.json is not current: run go test ./lib/devnet -run Dashboard -update-dashboard")
	}
	for name := range groupings {
		if !strings.Contains(string(want), name) {
			t.Errorf("no family is called %s", name)
		}
	}
}
