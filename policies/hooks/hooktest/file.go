package hooktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"stargate.io/stargate/policies/hooks"
)

// File of tests of one hook, as people write it.
type File struct {
	// Hook is the path of the Hook's file, from this one.
	Hook string `yaml:"hook"`
	// Name of the Hook, where its file has several.
	Name string `yaml:"name,omitempty"`
	// Context that all cases begin with; a case's own goes over it, member by member of both.
	Context map[string]any `yaml:"context,omitempty"`
	// Deadline of a run; ten seconds where it is left out.
	Deadline Duration `yaml:"deadline,omitempty"`
	Cases    []Case   `yaml:"cases"`

	// Path of the file itself, and what it names.
	Path    string        `yaml:"-"`
	Subject string        `yaml:"-"`
	Script  *hooks.Script `yaml:"-"`
	Hosts   []string      `yaml:"-"`
	Verbs   []string      `yaml:"-"`
	lines   map[string]int
}

// Case of a test: one run, or several one after the other.
type Case struct {
	Name    string         `yaml:"name"`
	Context map[string]any `yaml:"context,omitempty"`
	// State that an earlier wait left.
	State map[string]any `yaml:"state,omitempty"`
	Key   string         `yaml:"key,omitempty"`
	// Now is where the clock stands.
	Now *time.Time `yaml:"now,omitempty"`
	// Step is the only run of a case; Runs are several, each after the wait of the one before.
	Step `yaml:",inline"`
	Runs []Step `yaml:"runs,omitempty"`
}

// Step is one run: what is answered, and what is wanted.
type Step struct {
	HTTP []Exchange `yaml:"http,omitempty"`
	Kube []Verb     `yaml:"kube,omitempty"`
	Want Want       `yaml:"want,omitempty"`
}

// Exchange is a request that is foreseen, with its answer. They come in this order.
type Exchange struct {
	// Method, GET where it is left out; URL, all of it.
	Method string `yaml:"method,omitempty"`
	URL    string `yaml:"url"`
	// Sends are texts that the body must have in it, SendsHeaders headers that must be sent.
	Sends        []string          `yaml:"sends,omitempty"`
	SendsHeaders map[string]string `yaml:"sendsHeaders,omitempty"`
	// Status of the answer, 200 where it is left out, its Headers, and its Body or JSON.
	Status  int               `yaml:"status,omitempty"`
	Headers map[string]string `yaml:"headers,omitempty"`
	Body    string            `yaml:"body,omitempty"`
	JSON    any               `yaml:"json,omitempty"`
	// Error instead of an answer.
	Error string `yaml:"error,omitempty"`
}

// Verb of kube that is foreseen, with its answer. They come in this order.
type Verb struct {
	Verb string `yaml:"verb"`
	// Arguments that it must have, where they are given.
	Arguments map[string]any `yaml:"arguments,omitempty"`
	Answer    any            `yaml:"answer,omitempty"`
	Error     string         `yaml:"error,omitempty"`
}

// Want is what must come of a run. What is left out is not looked at.
type Want struct {
	// Outcome: done, wait, fail or error.
	Outcome string `yaml:"outcome,omitempty"`
	// Reason of an error. Message is a text that the message must have in it.
	Reason  string   `yaml:"reason,omitempty"`
	Message string   `yaml:"message,omitempty"`
	After   Duration `yaml:"after,omitempty"`
	// State, all of it.
	State map[string]any `yaml:"state,omitempty"`
	// Log and Events are texts that a line, an event ("Reason: message") must have in it, in this order. Verbs are
	// all that were carried out, by name: "kube.drain", "http POST https://chat.example/".
	Log    []string `yaml:"log,omitempty"`
	Events []string `yaml:"events,omitempty"`
	Verbs  []string `yaml:"verbs,omitempty"`
}

// Duration is written as "15s".
type Duration time.Duration

// UnmarshalYAML reads it.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := time.ParseDuration(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration such as \"15s\"", node.Line, node.Value)
	}
	*d = Duration(parsed)
	return nil
}

// Load a file of tests, and the hook and script that it names, by a function that reads files.
func Load(path string, read func(path string) ([]byte, error)) (*File, error) {
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	file := &File{Path: path}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(file); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if err := decoder.Decode(&File{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: a file of hook tests is one document, about one hook", path)
	}
	if err := file.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file.lines = caseLines(text)
	return file, file.readHook(read)
}

// Is tells whether a YAML file holds tests of a hook, and not something else that lies beside.
func Is(text []byte) bool {
	var head struct {
		Hook  string    `yaml:"hook"`
		Cases yaml.Node `yaml:"cases"`
	}
	return yaml.Unmarshal(text, &head) == nil && head.Hook != "" && head.Cases.Kind == yaml.SequenceNode
}

// check what a file must have, so that no case passes for having nothing in it.
func (f *File) check() error {
	if f.Hook == "" || len(f.Cases) == 0 {
		return errors.New("hook names the Hook's file, and cases has at least one")
	}
	seen := map[string]bool{}
	for i := range f.Cases {
		c := &f.Cases[i]
		switch {
		case c.Name == "":
			return fmt.Errorf("cases[%d] has no name", i)
		case seen[c.Name]:
			return fmt.Errorf("two cases are named %q", c.Name)
		case len(c.Runs) > 0 && (c.Want.outcome() != "" || len(c.HTTP)+len(c.Kube) > 0):
			return fmt.Errorf("case %q has runs: what is answered and wanted goes into them", c.Name)
		}
		seen[c.Name] = true
		for n, step := range c.steps() {
			if err := step.Want.check(); err != nil {
				return fmt.Errorf("case %q, run %d: %w", c.Name, n+1, err)
			}
		}
	}
	return nil
}

func (c *Case) steps() []Step {
	if len(c.Runs) > 0 {
		return c.Runs
	}
	return []Step{c.Step}
}

var outcomes = map[string]hooks.Outcome{"done": hooks.Done, "wait": hooks.Wait, "fail": hooks.Fail, "error": hooks.Errored}

func (w Want) outcome() string { return strings.ToLower(w.Outcome) }

func (w Want) check() error {
	switch _, known := outcomes[w.outcome()]; {
	case w.Outcome == "":
		return errors.New("it checks nothing: want.outcome is one of done, wait, fail and error")
	case !known:
		return fmt.Errorf("want.outcome is %q; it is one of done, wait, fail and error", w.Outcome)
	case w.Reason != "" && w.outcome() != "error":
		return errors.New("want.reason is for errors")
	}
	return nil
}

// caseLines are the lines where the cases begin, for failures.
func caseLines(text []byte) map[string]int {
	var at struct {
		Cases []yaml.Node `yaml:"cases"`
	}
	lines := map[string]int{}
	if yaml.Unmarshal(text, &at) != nil {
		return lines
	}
	for _, node := range at.Cases {
		var named struct {
			Name string `yaml:"name"`
		}
		if node.Decode(&named) == nil {
			lines[named.Name] = node.Line
		}
	}
	return lines
}

// hookObject is what of a Hook a test needs.
type hookObject struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		When       string `yaml:"when"`
		Script     string `yaml:"script"`
		ScriptFile string `yaml:"scriptFile"`
		Allow      struct {
			Hosts      []string `yaml:"hosts"`
			Kubernetes []string `yaml:"kubernetes"`
		} `yaml:"allow"`
	} `yaml:"spec"`
}

// readHook takes script and allow from the Hook, so that what is tested is what will run.
func (f *File) readHook(read func(path string) ([]byte, error)) error {
	path := filepath.Join(filepath.Dir(f.Path), f.Hook)
	text, err := read(path)
	if err != nil {
		return fmt.Errorf("%s: reading its hook: %w", f.Path, err)
	}
	found, err := find(text, f.Name)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", f.Path, path, err)
	}
	hook, err := found.compiled(path, read)
	if err != nil {
		return err
	}
	f.Subject, f.Script, f.Hosts, f.Verbs = hook.Name, hook.Script, hook.Hosts, hook.Verbs
	return nil
}

// Hook is what of one a run needs.
type Hook struct {
	Name   string
	Script *hooks.Script
	// When it runs, Before or After.
	When string
	// Hosts and Verbs that it may reach.
	Hosts, Verbs []string
}

// ReadHook reads the only Hook of a file, with the script that lies beside it.
func ReadHook(path string, read func(path string) ([]byte, error)) (*Hook, error) {
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("reading the hook: %w", err)
	}
	found, err := find(text, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return found.compiled(path, read)
}

// compiled is the Hook of a file with its script, which may lie beside that.
func (o *hookObject) compiled(path string, read func(path string) ([]byte, error)) (*Hook, error) {
	name, script := o.Metadata.Name+".lua", o.Spec.Script
	if o.Spec.ScriptFile != "" {
		name = filepath.Base(o.Spec.ScriptFile)
		text, err := read(filepath.Join(filepath.Dir(path), o.Spec.ScriptFile))
		if err != nil {
			return nil, fmt.Errorf("%s: reading the script of hook %s: %w", path, o.Metadata.Name, err)
		}
		script = string(text)
	}
	compiled, problems := hooks.Compile(name, script)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s:%d:%d: %s", name, problems[0].Line, problems[0].Column, problems[0].Message)
	}
	return &Hook{Name: o.Metadata.Name, Script: compiled, When: o.Spec.When, Hosts: o.Spec.Allow.Hosts, Verbs: o.Spec.Allow.Kubernetes}, nil
}

// find the Hook of a file that is meant: the one of a name, or, without one, the only one.
func find(text []byte, name string) (*hookObject, error) {
	var found []*hookObject
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		object := &hookObject{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if object.Kind == "Hook" && (name == "" || name == object.Metadata.Name) {
			found = append(found, object)
		}
	}
	if len(found) != 1 {
		names := slices.Collect(func(yield func(string) bool) {
			for _, object := range found {
				if !yield(object.Metadata.Name) {
					return
				}
			}
		})
		return nil, fmt.Errorf("it has %d Hooks that may be meant (%s); name tells which", len(found), strings.Join(names, ", "))
	}
	return found[0], nil
}
