package bmc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"stargate.io/stargate/simulator"
)

var errEmpty = errors.New("it is empty")

// insertion is what a client asks to have put into the drive.
type insertion struct {
	image          *url.URL
	user, password string
}

// insertMedia fetches an image and puts it into the drive, in place of what is there. It answers once that is done, so
// that a client which then starts the machine finds the medium in it; a client that goes away ends it.
func (c *Controller) insertMedia(w http.ResponseWriter, r *http.Request) {
	members, refused := read(w, r)
	var wanted insertion
	if refused == nil {
		wanted, refused = readInsertion(members)
	}
	if refused == nil && !c.insert.TryLock() {
		refused = say(http.StatusConflict, "ResourceInUse", "another medium is being put in", "try again once it is")
	} else if refused == nil {
		defer c.insert.Unlock()
		refused = c.insertNow(r, wanted)
	}
	if refused != nil {
		refused.send(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// insertNow does it. The caller holds the insert lock.
func (c *Controller) insertNow(r *http.Request, wanted insertion) *fault {
	file, err := c.config.Media.fetch(r.Context(), c.folder(), wanted)
	if err != nil {
		return say(http.StatusBadRequest, "CouldNotEstablishConnection", fmt.Sprintf("fetching %s: %v", bare(wanted.image), err),
			"see to it that the image is there and not larger than is allowed, and that whoever reads it may", bare(wanted.image)).about("Image")
	}
	medium := &simulator.Medium{URL: bare(wanted.image), Path: file}
	if err := c.config.Panels.SetMedium(r.Context(), c.name, medium); err != nil {
		// Not removed at once: an error may hide that the medium is in.
		c.tidy()
		return faultOf(err)
	}
	c.tidy()
	return nil
}

// ejectMedia empties the drive.
func (c *Controller) ejectMedia(w http.ResponseWriter, r *http.Request) {
	members, refused := read(w, r)
	if refused == nil {
		refused = onlyParameters("VirtualMedia.EjectMedia", members)
	}
	if refused == nil && !c.insert.TryLock() {
		refused = say(http.StatusConflict, "ResourceInUse", "a medium is being put in", "try again once it is")
	} else if refused == nil {
		defer c.insert.Unlock()
		if err := c.config.Panels.SetMedium(r.Context(), c.name, nil); err != nil {
			refused = faultOf(err)
		}
		c.tidy()
	}
	if refused != nil {
		refused.send(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

const insertAction = "VirtualMedia.InsertMedia"

// parameters of an InsertMedia, as they are sent. What is left out is as the specification has it.
type parameters struct {
	Image, UserName, Password, MediaType, TransferMethod, TransferProtocolType string
	Inserted, WriteProtected                                                   bool
}

// readInsertion reads the parameters of an InsertMedia.
func readInsertion(members map[string]json.RawMessage) (insertion, *fault) {
	sent := parameters{Inserted: true, WriteProtected: true}
	into := map[string]any{
		"Image": &sent.Image, "UserName": &sent.UserName, "Password": &sent.Password, "MediaType": &sent.MediaType,
		"TransferMethod": &sent.TransferMethod, "TransferProtocolType": &sent.TransferProtocolType,
		"Inserted": &sent.Inserted, "WriteProtected": &sent.WriteProtected,
	}
	for name, value := range members {
		target, known := into[name]
		if !known {
			return insertion{}, parameterUnknown(insertAction, name)
		}
		if json.Unmarshal(value, target) != nil {
			return insertion{}, wrongType(name, fmt.Sprintf("%T", target)[1:])
		}
	}
	if refused := sent.check(); refused != nil {
		return insertion{}, refused
	}
	image, refused := readImage(sent.Image)
	return insertion{image: image, user: sent.UserName, password: sent.Password}, refused
}

// check refuses what this drive cannot do.
func (p parameters) check() *fault {
	switch {
	case p.Image == "":
		return parameterMissing(insertAction, "Image")
	case !p.Inserted:
		return parameterValue(insertAction, "Inserted", "false", "a medium is put in at once: leave it out")
	case !p.WriteProtected:
		return parameterValue(insertAction, "WriteProtected", "false", "a CD cannot be written: leave it out")
	case p.MediaType != "" && p.MediaType != "CD" && p.MediaType != "DVD":
		return parameterValue(insertAction, "MediaType", p.MediaType, "this drive takes CD and DVD")
	}
	return nil
}

func readImage(image string) (*url.URL, *fault) {
	if len(image) > maxURL {
		return nil, parameterValue(insertAction, "Image", image[:80], fmt.Sprintf("an image's URL may be %d bytes long", maxURL))
	}
	parsed, err := url.Parse(image)
	if err != nil || parsed.User != nil || parsed.Scheme != "file" && parsed.Hostname() == "" {
		return nil, parameterValue(insertAction, "Image", image, "give a URL without credentials in it; they go to UserName and Password")
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" && parsed.Scheme != "file" {
		return nil, parameterValue(insertAction, "Image", image, "give an http, https or file URL")
	}
	return parsed, nil
}

// maxURL bounds an image's URL.
const maxURL = 4096

// bare gives a URL without its query, in which signed URLs have their credentials.
func bare(from *url.URL) string {
	shown := *from
	shown.RawQuery, shown.Fragment = "", ""
	return shown.Redacted()
}

// nameOf gives the last part of a URL's path.
func nameOf(from string) string {
	parsed, err := url.Parse(from)
	if err != nil {
		return ""
	}
	return path.Base(parsed.Path)
}

// folder of this machine's media.
func (c *Controller) folder() string { return filepath.Join(c.config.Media.Folder, c.name) }

// tidy removes every file of this machine's media but the one that is in its drive: an earlier medium, one that came to
// nothing, or what a crash left. Without knowing the drive it removes nothing.
func (c *Controller) tidy() {
	_, front, there := c.config.Panels.Look(c.name)
	if !there {
		return
	}
	entries, err := os.ReadDir(c.folder())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.config.Log.Error("the media folder cannot be read", "machine", c.name, "error", err)
	}
	for _, entry := range entries {
		file := filepath.Join(c.folder(), entry.Name())
		if front.Medium != nil && front.Medium.Path == file || !strings.HasPrefix(entry.Name(), mediumPrefix) {
			continue
		}
		if err := os.Remove(file); err != nil {
			c.config.Log.Error("a medium that is in no drive cannot be removed", "machine", c.name, "error", err)
		}
	}
}
