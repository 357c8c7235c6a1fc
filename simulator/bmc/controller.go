package bmc

import (
	"crypto/tls"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Config says what management controllers are like. User, Password and Panels are required.
type Config struct {
	Panels Panels
	// User and Password that every request must bear, itself or by a session.
	User, Password string
	// Media is where media come from and are kept.
	Media Media
	// TLS to serve under; nil is in the clear.
	TLS *tls.Config
	// Log of what nobody is answered for; nil is none.
	Log *slog.Logger
}

// Controller is the management controller of one machine; it is an http.Handler. Its methods are safe for concurrent
// use.
type Controller struct {
	config   Config
	name     string
	sessions *sessions
	routes   map[string]methods
	// change lets one client at a time compare an ETag and change what it is of.
	change sync.Mutex
	// insert is held while a medium is being fetched and put in.
	insert sync.Mutex
}

// call answers one method of one resource.
type call func(w http.ResponseWriter, r *http.Request)

// methods of a resource.
type methods map[string]call

// New gives the management controller of a machine.
func New(config Config, name string) *Controller {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c := &Controller{config: config, name: name, sessions: newSessions()}
	c.routes = c.table()
	return c
}

// The resources' paths.
const (
	rootPath       = "/redfish/v1"
	sessionPath    = rootPath + "/SessionService"
	sessionsPath   = sessionPath + "/Sessions"
	systemsPath    = rootPath + "/Systems"
	systemPath     = systemsPath + "/1"
	interfacesPath = systemPath + "/EthernetInterfaces"
	interfacePath  = interfacesPath + "/1"
	resetPath      = systemPath + "/Actions/ComputerSystem.Reset"
	managersPath   = rootPath + "/Managers"
	managerPath    = managersPath + "/1"
	mediaPath      = managerPath + "/VirtualMedia"
	cdPath         = mediaPath + "/Cd"
	insertPath     = cdPath + "/Actions/VirtualMedia.InsertMedia"
	ejectPath      = cdPath + "/Actions/VirtualMedia.EjectMedia"
	chassisPath    = rootPath + "/Chassis"
	chassis1Path   = chassisPath + "/1"
)

// open paths are served to everybody, as the specification has it.
var open = map[string]bool{"/redfish": true, rootPath: true, rootPath + "/odata": true, rootPath + "/$metadata": true}

func (c *Controller) table() map[string]methods {
	fixed := func(resource any) methods {
		return methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) { show(w, r, http.StatusOK, resource) }}
	}
	seen := func(make func(sight) any) methods {
		return methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) {
			if s, there := c.look(w); there {
				show(w, r, http.StatusOK, make(s))
			}
		}}
	}
	table := map[string]methods{
		"/redfish":                {http.MethodGet: versions},
		rootPath:                  seen(serviceRoot),
		rootPath + "/odata":       {http.MethodGet: serviceDocument},
		rootPath + "/$metadata":   {http.MethodGet: metadata},
		sessionPath:               fixed(sessionService),
		sessionsPath:              {http.MethodGet: c.listSessions, http.MethodPost: c.login},
		sessionsPath + "/Members": {http.MethodPost: c.login},
		systemsPath:               fixed(collection(systemsPath, "ComputerSystemCollection", "Systems", systemPath)),
		systemPath:                seen(system),
		interfacesPath:            fixed(collection(interfacesPath, "EthernetInterfaceCollection", "Ethernet interfaces", interfacePath)),
		interfacePath:             seen(ethernetInterface),
		resetPath:                 {http.MethodPost: c.reset},
		managersPath:              fixed(collection(managersPath, "ManagerCollection", "Managers", managerPath)),
		managerPath:               seen(manager),
		mediaPath:                 fixed(collection(mediaPath, "VirtualMediaCollection", "Virtual media", cdPath)),
		cdPath:                    seen(virtualCd),
		insertPath:                {http.MethodPost: c.insertMedia},
		ejectPath:                 {http.MethodPost: c.ejectMedia},
		chassisPath:               fixed(collection(chassisPath, "ChassisCollection", "Chassis", chassis1Path)),
		chassis1Path:              seen(chassis),
	}
	table[systemPath][http.MethodPatch] = c.patchSystem
	return table
}

// look at the machine, or answer that there is none any more.
func (c *Controller) look(w http.ResponseWriter) (sight, bool) {
	status, front, there := c.config.Panels.Look(c.name)
	if !there {
		say(http.StatusServiceUnavailable, "ResourceNotFound", "machine "+c.name+" is no more", "make it again by a repave").send(w)
	}
	return sight{status, front}, there
}

// ServeHTTP implements http.Handler.
func (c *Controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("OData-Version", "4.0")
	w.Header().Set("Cache-Control", "no-store")
	path := r.URL.Path
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	public := open[path] || path == sessionsPath && r.Method == http.MethodPost
	if !public && !c.authenticated(r) {
		unauthenticated().send(w)
		return
	}
	if refused := checkProtocol(r); refused != nil {
		refused.send(w)
		return
	}
	offered, known := c.routes[path]
	if id, isSession := strings.CutPrefix(path, sessionsPath+"/"); !known && isSession {
		offered, known = c.session(id)
	}
	if !known {
		missing(path).send(w)
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	allowed := slices.Sorted(maps.Keys(offered))
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	answer, can := offered[method]
	if !can {
		noMethod(r.Method, allowed).send(w)
		return
	}
	answer(w, r)
}

// checkProtocol refuses what the protocol lets a client ask for, and this service does not have.
func checkProtocol(r *http.Request) *fault {
	if version := r.Header.Get("OData-Version"); version != "" && version != "4.0" {
		return say(http.StatusPreconditionFailed, "HeaderInvalid", "OData-Version is to be 4.0", "send OData-Version: 4.0, or leave it out", "OData-Version")
	}
	for name := range r.URL.Query() {
		if strings.HasPrefix(name, "$") {
			return say(http.StatusNotImplemented, "QueryNotSupported", "query parameters are not offered here", "leave them out")
		}
	}
	return nil
}
