package bmc

import (
	"encoding/json"
	"net/http"

	"stargate.io/stargate/simulator"
)

// sight is all that resources are made from.
type sight struct {
	status simulator.Status
	front  simulator.Front
}

// head is what every resource begins with.
type head struct {
	Path string `json:"@odata.id"`
	Type string `json:"@odata.type"`
	ID   string `json:"Id"`
	Name string
}

func headOf(path, schema, id, name string) head {
	return head{Path: path, Type: "#" + schema, ID: id, Name: name}
}

// link to a resource.
type link struct {
	Path string `json:"@odata.id"`
}

func links(paths ...string) []link {
	list := make([]link, 0, len(paths))
	for _, path := range paths {
		list = append(list, link{path})
	}
	return list
}

// condition is one thing that is wrong.
type condition struct {
	ID        string `json:"MessageId"`
	Message   string
	Severity  string
	Timestamp string `json:",omitempty"`
}

// health as Redfish tells it.
type health struct {
	State      string
	Health     string
	Rollup     string      `json:"HealthRollup"`
	Conditions []condition `json:",omitempty"`
}

var well = health{State: "Enabled", Health: "OK", Rollup: "OK"}

// collection of resources.
func collection(path, schema, name string, members ...string) any {
	return struct {
		Path    string `json:"@odata.id"`
		Type    string `json:"@odata.type"`
		Name    string
		Members []link
		Count   int `json:"Members@odata.count"`
	}{path, "#" + schema + "." + schema, name, links(members...), len(members)}
}

var sessionService = struct {
	head
	Status         health
	ServiceEnabled bool
	SessionTimeout int
	Sessions       link
}{headOf(sessionPath, "SessionService.v1_1_9.SessionService", "SessionService", "Session service"), well, true, int(idle.Seconds()), link{sessionsPath}}

func serviceRoot(s sight) any {
	type expand struct{ ExpandAll, Levels, Links, NoLinks bool }
	type features struct {
		ExcerptQuery, FilterQuery, OnlyMemberQuery, SelectQuery bool
		ExpandQuery                                             expand
	}
	return struct {
		head
		RedfishVersion            string
		UUID                      string `json:",omitempty"`
		Product                   string
		ProtocolFeaturesSupported features
		Systems                   link
		Managers                  link
		Chassis                   link
		SessionService            link
		Links                     struct{ Sessions link }
	}{
		head:           headOf(rootPath, "ServiceRoot.v1_16_1.ServiceRoot", "RootService", "Management controller of "+s.status.Server.Name),
		RedfishVersion: "1.20.0", UUID: s.front.UUID, Product: "Stargate simulator",
		Systems: link{systemsPath}, Managers: link{managersPath}, Chassis: link{chassisPath}, SessionService: link{sessionPath},
		Links: struct{ Sessions link }{link{sessionsPath}},
	}
}

func manager(s sight) any {
	type toWhat struct{ ManagerForServers, ManagerForChassis []link }
	return struct {
		head
		ManagerType     string
		FirmwareVersion string
		UUID            string `json:",omitempty"`
		PowerState      string
		Status          health
		VirtualMedia    link
		Links           toWhat
	}{
		headOf(managerPath, "Manager.v1_19_1.Manager", "1", "Management controller of "+s.status.Server.Name), "BMC", "1.0", s.front.UUID, "On", well,
		link{mediaPath}, toWhat{links(systemPath), links(chassis1Path)},
	}
}

func chassis(s sight) any {
	type toWhat struct{ ComputerSystems, ManagedBy []link }
	return struct {
		head
		ChassisType  string
		Manufacturer string
		SerialNumber string `json:",omitempty"`
		PowerState   string
		Status       health
		Links        toWhat
	}{
		headOf(chassis1Path, "Chassis.v1_25_1.Chassis", "1", "Chassis of "+s.status.Server.Name), "RackMount", manufacturer, s.front.Serial,
		powerOf(s.status), well, toWhat{links(systemPath), links(managerPath)},
	}
}

func virtualCd(s sight) any {
	type action struct {
		Target string `json:"target"`
	}
	cd := struct {
		head
		MediaTypes     []string
		Image          *string
		ImageName      *string
		ConnectedVia   string
		Inserted       bool
		WriteProtected bool
		TransferMethod string
		Actions        map[string]action
	}{
		head:       headOf(cdPath, "VirtualMedia.v1_6_3.VirtualMedia", "Cd", "Virtual CD"),
		MediaTypes: []string{"CD", "DVD"}, ConnectedVia: "NotConnected", WriteProtected: true, TransferMethod: "Upload",
		Actions: map[string]action{"#VirtualMedia.InsertMedia": {insertPath}, "#VirtualMedia.EjectMedia": {ejectPath}},
	}
	if medium := s.front.Medium; medium != nil {
		name := nameOf(medium.URL)
		cd.Image, cd.ImageName, cd.ConnectedVia, cd.Inserted = &medium.URL, &name, "URI", true
	}
	return cd
}

func versions(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, []byte(`{"v1":"`+rootPath+`/"}`))
}

func serviceDocument(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
		URL  string `json:"url"`
	}
	var value []entry
	for _, one := range [][2]string{
		{"Service", rootPath + "/"}, {"Systems", systemsPath}, {"Managers", managersPath}, {"Chassis", chassisPath},
		{"SessionService", sessionPath}, {"Sessions", sessionsPath},
	} {
		value = append(value, entry{one[0], "Singleton", one[1]})
	}
	encoded, _ := json.Marshal(map[string]any{"@odata.context": rootPath + "/$metadata", "value": value}) // texts only
	send(w, http.StatusOK, encoded)
}

// metadata refers to the published schemas; a service has to have it, and no client of machines reads it.
func metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">
  <edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/ServiceRoot_v1.xml">
    <edmx:Include Namespace="ServiceRoot"/><edmx:Include Namespace="ServiceRoot.v1_16_1"/>
  </edmx:Reference>
  <edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/ComputerSystem_v1.xml"><edmx:Include Namespace="ComputerSystem"/></edmx:Reference>
  <edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/Manager_v1.xml"><edmx:Include Namespace="Manager"/></edmx:Reference>
  <edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/VirtualMedia_v1.xml"><edmx:Include Namespace="VirtualMedia"/></edmx:Reference>
  <edmx:DataServices>
    <Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">
      <EntityContainer Name="Service" Extends="ServiceRoot.v1_16_1.ServiceContainer"/>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>
`)) // a client that has gone is told nothing
}
