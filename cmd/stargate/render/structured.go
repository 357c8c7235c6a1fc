package render

import (
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"
)

// APIVersion of the shapes that are ours and no kind of the API. They are an interface: fields are
// added, never changed.
const APIVersion = "cli.stargate.io/v1alpha1"

// Header starts every shape of ours.
type Header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// HeaderOf makes the header of a shape of ours.
func HeaderOf(kind string) Header { return Header{APIVersion: APIVersion, Kind: kind} }

// The formats of -o, beside the empty one.
const (
	Wide = "wide"
	JSON = "json"
	YAML = "yaml"
	Name = "name"
)

// Structured writes a value as JSON or YAML.
func Structured(out io.Writer, format string, value any) error {
	switch format {
	case JSON:
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(value)
	case YAML:
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("writing YAML: %w", err)
		}
		_, err = out.Write(text)
		return err
	}
	return fmt.Errorf("no such format: %s", format)
}

// Stream writes one value of an endless row: a line of JSON, or a document of YAML.
func Stream(out io.Writer, format string, value any) error {
	if format == JSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(value)
	}
	if _, err := io.WriteString(out, "---\n"); err != nil {
		return err
	}
	return Structured(out, format, value)
}
