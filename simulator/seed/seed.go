// Package seed makes the small disk on which a machine's cloud-init finds who it is and what it is to do (NoCloud).
//
// In: a server, its network, and the documents of its profile, rendered already. Out: an ISO 9660 file with the label
// cidata, old or new and never half; or an error that says what is wrong with which document, and never what is in it.
//
//	meta-data        the profile's, with an instance-id of this repave and the server's name
//	user-data        the profile's, as it is
//	network-config   the profile's, or the server's address on its only interface
//	vendor-data      the reporter (package guest), which user-data does not take the place of
//
// It never runs anything, and never reads a file.
package seed

import (
	"net/netip"
	"regexp"

	"stargate.io/stargate/simulator"
)

// Label of the ISO, by which cloud-init finds it.
const Label = "cidata"

// MaxDocument bounds each of the profile's documents, in bytes.
const MaxDocument = 1 << 20

// Seed is what a machine is told.
type Seed struct {
	Server simulator.Server
	// InstanceID is another for each repave, or cloud-init would think that it has done it all before: the job's id.
	InstanceID string
	// Network is used where the profile has no NetworkData.
	Network Network
	// UserData, NetworkData and MetaData are the profile's documents; each may be empty.
	UserData, NetworkData, MetaData []byte
}

// Network that a machine is in.
type Network struct {
	// PrefixLen of its subnet.
	PrefixLen int
	// Gateway and DNS may be left out.
	Gateway netip.Addr
	DNS     []netip.Addr
}

var (
	instanceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	macAddress = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)
)

// Check refuses a seed that cloud-init could not use; see Documents. Its errors are *simulator.Refused.
func (s Seed) Check() error {
	_, err := s.Documents()
	return err
}

// Documents are the seed's files by name. Errors: *simulator.Refused, with which document and what is wrong.
func (s Seed) Documents() (map[string][]byte, error) {
	if err := s.checkMachine(); err != nil {
		return nil, err
	}
	meta, err := s.metaData()
	if err != nil {
		return nil, err
	}
	network, err := s.networkConfig()
	if err != nil {
		return nil, err
	}
	if err := checkUserData(s.UserData); err != nil {
		return nil, err
	}
	user := s.UserData
	if len(user) == 0 {
		user = []byte("#cloud-config\n{}\n") // the file must be there
	}
	return map[string][]byte{"meta-data": meta, "user-data": user, "network-config": network, "vendor-data": vendorData}, nil
}

func (s Seed) checkMachine() error {
	if err := simulator.ValidName(s.Server.Name); err != nil {
		return err
	}
	if !instanceID.MatchString(s.InstanceID) {
		return refuse("instance id %.80q: it is to be letters, digits, dots, dashes and underscores, at most 128", s.InstanceID)
	}
	if len(s.NetworkData) > 0 {
		return nil
	}
	address, err := netip.ParseAddr(s.Server.IPv4)
	if err != nil || !address.Is4() {
		return refuse("address %.80q of server %s: give an IPv4 address, or a profile with networkData", s.Server.IPv4, s.Server.Name)
	}
	if !macAddress.MatchString(s.Server.MAC) {
		return refuse("MAC %.80q of server %s: give six pairs of lower-case hex digits with colons", s.Server.MAC, s.Server.Name)
	}
	if s.Network.PrefixLen < 1 || s.Network.PrefixLen > 32 {
		return refuse("a network of /%d for server %s: give a prefix length of 1 to 32", s.Network.PrefixLen, s.Server.Name)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return simulator.Refuse(simulator.ReasonBadRequest, format, args...)
}
