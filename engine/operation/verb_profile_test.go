package operation_test

import (
	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// profile NAME [version=] [image=]: a ProvisioningProfile is created or edited. profile NAME gone: deleted.
func verbProfile(b *bench, d *datadriven.TestData) string {
	name := bare(d, 0)
	if d.HasArg("gone") {
		b.profile = nil
		return "profile " + name + " is gone"
	}
	version := word(d, "version", "2.0.0")
	hash := "hash-of-" + version + "-" + word(d, "image", "image")
	b.profile = &operation.Profile{Name: name, Hash: hash,
		Image: &drivers.Image{OSVersion: version, URL: "https://images.example.com/" + version, ProfileHash: hash}}
	return name + ": os " + version + ", " + hash
}
