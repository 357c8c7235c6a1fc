// Package profile makes of a ProvisioningProfile what reaches a server: its documents read and
// rendered, and the hash over them.
//
// In: the profile, its documents, the server's fields. Out: an image for the driver, and a hash that
// covers what reaches the server and nothing else, so that a label never causes a repave. It never
// reads a Secret itself and never lets a template run without bound.
package profile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"text/template"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

// maxRendered bounds a rendered document.
const maxRendered = 256 << 10

// Documents of a profile, read from inline text or Secrets, before rendering.
type Documents struct {
	UserData, NetworkData, MetaData string
}

// Hash over what reaches a server: 16 hex digits.
func Hash(spec *v1alpha1.ProvisioningProfileSpec, documents Documents) string {
	content, err := json.Marshal(struct {
		OSVersion, OSImage, Checksum, Format string
		Documents                            Documents
	}{spec.OSVersion, spec.OSImage, spec.OSImageChecksum, spec.OSImageFormat, documents})
	if err != nil {
		// Strings always marshal.
		panic(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// Render gives the image for one server. Errors name the document and what its template asks for.
func Render(spec *v1alpha1.ProvisioningProfileSpec, documents Documents, server *v1alpha1.Server) (*drivers.Image, error) {
	image := &drivers.Image{
		OSVersion: spec.OSVersion, URL: spec.OSImage, Checksum: spec.OSImageChecksum,
		Format: spec.OSImageFormat, ProfileHash: Hash(spec, documents),
	}
	for _, document := range []struct {
		name, text string
		into       *[]byte
	}{
		{"userData", documents.UserData, &image.UserData},
		{"networkData", documents.NetworkData, &image.NetworkData},
		{"metaData", documents.MetaData, &image.MetaData},
	} {
		rendered, err := render(document.name, document.text, fields(server))
		if err != nil {
			return nil, &Error{Document: document.name, Err: err}
		}
		*document.into = rendered
	}
	return image, nil
}

// Check tells whether the templates of a profile's inline documents can be rendered at all, as far as that
// shows without a server: they parse, and are bounded. The error is an *Error.
func Check(spec *v1alpha1.ProvisioningProfileSpec) error {
	for _, document := range []struct {
		name   string
		source *v1alpha1.DataSource
	}{{"userData", spec.UserData}, {"networkData", spec.NetworkData}, {"metaData", spec.MetaData}} {
		if document.source == nil {
			continue
		}
		if _, err := parsed(document.name, document.source.Inline); err != nil {
			return &Error{Document: document.name, Err: err}
		}
	}
	return nil
}

// Error of a document that cannot be rendered. Its text may quote the document.
type Error struct {
	// Document is its field in spec.
	Document string
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("rendering spec.%s: %v", e.Document, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// lines finds where in a document an error is.
var lines = regexp.MustCompile(`^(?:template: [A-Za-z]+:|line )([0-9]+)`)

// Unquoted says what Error says without a word of the document, which may be secret.
func (e *Error) Unquoted() string {
	where := ""
	if line := lines.FindStringSubmatch(e.Err.Error()); line != nil {
		where = " at line " + line[1]
	}
	return fmt.Sprintf("rendering spec.%s: the template fails%s; it is not quoted here, since it comes from a Secret", e.Document, where)
}

// fields are what a template sees.
func fields(server *v1alpha1.Server) map[string]any {
	return map[string]any{
		"name": server.Name, "namespace": server.Namespace, "uid": string(server.UID),
		"mac": server.Spec.MAC, "ipv4": server.Spec.IPv4, "labels": server.Labels,
		"sku": server.Spec.Inventory.SKU, "location": server.Spec.Inventory.Location,
		"serialNumber": server.Spec.Inventory.SerialNumber,
	}
}

// errTooLong stops a template that would write without bound.
var errTooLong = errors.New("longer than 256 KiB")

func render(name, text string, fields map[string]any) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	of, err := parsed(name, text)
	if err != nil {
		return nil, err
	}
	out := &boundedWriter{}
	if err := of.Execute(out, map[string]any{"server": fields}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// parsed gives a template that ends, whatever it is executed on.
func parsed(name, text string) (*template.Template, error) {
	of, err := template.New(name).Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, err
	}
	return of, bounded(of)
}

type boundedWriter struct{ bytes.Buffer }

// Write implements io.Writer.
func (w *boundedWriter) Write(p []byte) (int, error) {
	if w.Len()+len(p) > maxRendered {
		return 0, errTooLong
	}
	return w.Buffer.Write(p)
}
