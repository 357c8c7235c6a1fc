package operation

import (
	"strings"

	"stargate.io/stargate/api/v1alpha1"
)

// Identities are what no two Servers of a datacenter may share. A MAC and a boot MAC are of one
// kind: another machine's boot interface is as wrong as its main one.
func Identities(spec *v1alpha1.ServerSpec) []string {
	keys := []string{"mac " + strings.ToLower(spec.MAC)}
	if boot := strings.ToLower(spec.BootMACAddress); boot != "" && boot != strings.ToLower(spec.MAC) {
		keys = append(keys, "mac "+boot)
	}
	if spec.IPv4 != "" {
		keys = append(keys, "address "+spec.IPv4)
	}
	if spec.BMC != nil {
		keys = append(keys, strings.TrimSpace("bmc "+controllerAddress(spec.BMC.Address)+" "+spec.BMC.SystemID))
	}
	return keys
}

// controllerAddress gives a BMC's address without what it may be spelled with or without.
func controllerAddress(address string) string {
	address = strings.TrimRight(strings.ToLower(address), "/")
	for scheme, port := range map[string]string{"https://": ":443", "http://": ":80"} {
		if host, found := strings.CutPrefix(address, scheme); found {
			return strings.TrimSuffix(host, port)
		}
	}
	return strings.TrimSuffix(address, ":443")
}
