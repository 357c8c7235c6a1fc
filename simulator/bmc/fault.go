package bmc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"stargate.io/stargate/simulator"
)

// registry is the message registry whose ids are given.
const registry = "Base.1.18."

// fault is an answer of 400 or above.
type fault struct {
	status   int
	messages []message
	// retryAfter in seconds; zero sends none.
	retryAfter int
}

// message is one entry of a Redfish error, as the Message schema has it.
type message struct {
	Type       string   `json:"@odata.type"`
	ID         string   `json:"MessageId"`
	Text       string   `json:"Message"`
	Args       []string `json:"MessageArgs,omitempty"`
	Properties []string `json:"RelatedProperties,omitempty"`
	Severity   string   `json:"MessageSeverity"`
	Resolution string   `json:"Resolution"`
}

// say gives a fault of one message. The text is said as it is; args are those of the registry's own text.
func say(status int, id, text, resolution string, args ...string) *fault {
	severity := "Warning"
	if status >= http.StatusInternalServerError {
		severity = "Critical"
	}
	return &fault{status: status, messages: []message{{
		Type: "#Message.v1_2_1.Message", ID: registry + id, Text: text, Args: args, Severity: severity, Resolution: resolution,
	}}}
}

// about names the property that a fault is about, as a JSON pointer.
func (f *fault) about(property string) *fault {
	f.messages[0].Properties = append(f.messages[0].Properties, "#/"+property)
	return f
}

func missing(path string) *fault {
	return say(http.StatusNotFound, "ResourceMissingAtURI", fmt.Sprintf("there is no resource at %.200q", path), "begin at /redfish/v1 and follow its links", path)
}

func noMethod(method string, allowed []string) *fault {
	return say(http.StatusMethodNotAllowed, "OperationNotAllowed", fmt.Sprintf("%.20q is not allowed on this resource", method),
		"use "+strings.Join(allowed, ", "))
}

func malformed(err error) *fault {
	return say(http.StatusBadRequest, "MalformedJSON", "the body cannot be read: "+err.Error(), "send one JSON object")
}

func unknownProperty(name string) *fault {
	return say(http.StatusBadRequest, "PropertyUnknown", fmt.Sprintf("property %.80q is not known", name), "leave it out", name).about(name)
}

func readOnly(name string) *fault {
	return say(http.StatusBadRequest, "PropertyNotWritable", fmt.Sprintf("property %s cannot be written", name), "leave it out", name).about(name)
}

func notInList(name, value string, allowed []string) *fault {
	return say(http.StatusBadRequest, "PropertyValueNotInList", fmt.Sprintf("%s cannot be %.80q", name, value),
		"use one of "+strings.Join(allowed, ", "), value, name).about(name)
}

func wrongType(name, want string) *fault {
	return say(http.StatusBadRequest, "PropertyValueTypeError", fmt.Sprintf("%s is not a %s", name, want), "give it as a "+want, "", name).about(name)
}

func parameterMissing(action, name string) *fault {
	return say(http.StatusBadRequest, "ActionParameterMissing", fmt.Sprintf("action %s requires the parameter %s", action, name), "add it", action, name).about(name)
}

func parameterUnknown(action, name string) *fault {
	return say(http.StatusBadRequest, "ActionParameterUnknown", fmt.Sprintf("action %s has no parameter %.80q", action, name), "leave it out", action, name)
}

func parameterValue(action, name, value, resolution string) *fault {
	return say(http.StatusBadRequest, "ActionParameterValueNotInList", fmt.Sprintf("parameter %s of action %s cannot be %.200q", name, action, value),
		resolution, value, name, action).about(name)
}

func unauthenticated() *fault {
	return say(http.StatusUnauthorized, "NoValidSession", "there is no valid session, and no valid user and password",
		"make a session at "+sessionsPath+", or use basic authentication")
}

// faultOf gives what Panels refused, or why they failed.
func faultOf(err error) *fault {
	var refused *simulator.Refused
	if !errors.As(err, &refused) {
		return say(http.StatusInternalServerError, "InternalError", err.Error(), "look at the simulator's log, then try again")
	}
	switch refused.Reason {
	case simulator.ReasonServerBusy:
		f := say(http.StatusConflict, "ResourceInUse", refused.Message, "try again once the job on this machine has ended")
		f.retryAfter = 5
		return f
	case simulator.ReasonHostLimits:
		f := say(http.StatusServiceUnavailable, "ResourceExhaustion", refused.Message, "give the host what is short, then try again", systemPath)
		f.retryAfter = 5
		return f
	default:
		return say(http.StatusBadRequest, "GeneralError", refused.Message, "see the message")
	}
}
