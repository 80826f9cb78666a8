package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/rs/zerolog"
)

// materialsVersion is the version of CycloneDX (ECMA-424) in a bill of materials.
const materialsVersion = cdx.SpecVersion1_5

// writeMaterials lists the modules of a binary, from what the linker wrote into it, as CycloneDX JSON.
func (r *release) writeMaterials(binary, name string) error {
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	generator, err := bin.NewGenerator(binary, bin.WithIncludeStdlib(true), bin.WithVersionOverride("v"+r.version),
		bin.WithShortPURLS(true), bin.WithLogger(zerolog.Nop()))
	if err != nil {
		return err
	}
	list, err := generator.Generate()
	if err != nil {
		return err
	}
	list.SerialNumber = serialNumber(sha256.Sum256(content))
	list.Metadata.Timestamp = r.when.Format(time.RFC3339)
	*list.Metadata.Properties = append(*list.Metadata.Properties,
		cdx.Property{Name: "sessiontool:commit", Value: r.commit})
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(list,
		materialsVersion); err != nil {
		return err
	}
	return r.write(name+".cdx.json", out.Bytes())
}

// serialNumber returns a UUID (RFC 9562, version 8) made from the binary's hash, so that the bill of materials of the
// same binary has the same number.
func serialNumber(sum [sha256.Size]byte) string {
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
