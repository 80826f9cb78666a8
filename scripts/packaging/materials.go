package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// The part of CycloneDX 1.5 (ECMA-424) that a Go binary has something to say in.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		SerialNumber string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Purl       string     `json:"purl,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// writeMaterials lists what is in a binary, from what the linker wrote into it.
func (r *release) writeMaterials(t target, binary string) error {
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return err
	}
	list, err := json.MarshalIndent(r.materials(t, info, sha256.Sum256(content)), "", "  ")
	if err != nil {
		return err
	}
	return r.write(r.name(t)+".cdx.json", append(list, '\n'))
}

func (r *release) materials(t target, info *debug.BuildInfo, sum [sha256.Size]byte) bom {
	program := component{
		Type: "application", Ref: "sessiontool", Name: "sessiontool", Version: r.version,
		Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sum)}},
		Properties: []property{
			{"sessiontool:commit", r.commit}, {"sessiontool:platform", t.os + "/" + t.arch},
		},
	}
	parts := []component{library("std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		part := library(module.Path, module.Version)
		part.Properties = []property{{"go:sum", module.Sum}}
		parts = append(parts, part)
	}
	uses := dependency{Ref: program.Ref, DependsOn: []string{}}
	for _, part := range parts {
		uses.DependsOn = append(uses.DependsOn, part.Ref)
	}
	return bom{
		Format: "CycloneDX", SpecVersion: "1.5", SerialNumber: serialNumber(sum), Version: 1,
		Metadata:   metadata{r.when.Format(time.RFC3339), program},
		Components: parts, Dependencies: []dependency{uses},
	}
}

func library(path, version string) component {
	purl := "pkg:golang/" + path + "@" + version
	return component{Type: "library", Ref: purl, Name: path, Version: version, Purl: purl}
}

// serialNumber is a UUID of the kind that users define (RFC 9562, version 8), from the binary's hash: the list of the
// same binary has the same number.
func serialNumber(sum [sha256.Size]byte) string {
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
