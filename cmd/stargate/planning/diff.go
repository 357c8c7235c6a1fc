package planning

import (
	"io"

	"stargate.io/stargate/cmd/stargate/render"
)

// Diff is what `stargate diff -o json` prints: fields are added, never changed.
type Diff struct {
	render.Header
	Fleet    string   `json:"fleet"`
	Revision string   `json:"revision"`
	Commit   string   `json:"commit,omitempty"`
	Differs  bool     `json:"differs"`
	Objects  Objects  `json:"objects"`
	Guard    Guard    `json:"guard"`
	Notes    []string `json:"notes,omitempty"`
}

// DiffOf is the part of a report that is about objects.
func DiffOf(r *Report) *Diff {
	return &Diff{
		Header: render.HeaderOf("Diff"), Fleet: r.Fleet, Revision: r.Revision, Commit: r.Commit, Differs: r.Differs,
		Objects: r.Objects, Guard: r.Guard, Notes: r.Notes,
	}
}

// Names calls say for each object that differs, as "+ Server/dc-west/server-001".
func (d *Diff) Names(say func(string)) {
	for _, each := range d.lists() {
		for i := range each.objects {
			say(each.sign + " " + each.objects[i].title())
		}
	}
}

type signed struct {
	sign    string
	colour  render.Colour
	objects []Object
}

func (d *Diff) lists() []signed {
	o := &d.Objects
	return []signed{
		{"!", render.Bad, o.Refused}, {"+", render.Good, o.Added}, {"~", render.Held, o.Changed}, {"-", render.Bad, o.Pruned}, {"…", render.Held, o.Waiting},
	}
}

// Text writes every object and every field that differs.
func (d *Diff) Text(out io.Writer, style render.Style) error {
	w := &writer{out: out, style: style}
	for _, each := range d.lists() {
		for i := range each.objects {
			o := &each.objects[i]
			w.line("%s %s%s", style.Paint(each.colour, each.sign), render.Clean(o.title()), style.Paint(render.Faint, suffix(o.Source)))
			if o.Reason != "" {
				w.line("    %s", render.Clean(o.Reason))
			}
			w.fields(o.Fields)
		}
	}
	for _, note := range d.Notes {
		w.line("note: %s", render.Clean(note))
	}
	w.line("%d added, %d changed, %d pruned, %d unchanged", len(d.Objects.Added), len(d.Objects.Changed), len(d.Objects.Pruned), d.Objects.Unchanged)
	return w.err
}

func suffix(source string) string {
	if source == "" {
		return ""
	}
	return "  " + render.Clean(source)
}

func (w *writer) fields(fields []Field) {
	for _, field := range fields {
		w.line("    %s", render.Clean(field.Path))
		if field.Old != "" {
			w.line("      %s", w.style.Paint(render.Bad, "- "+render.Clean(field.Old)))
		}
		if field.New != "" {
			w.line("      %s", w.style.Paint(render.Good, "+ "+render.Clean(field.New)))
		}
	}
}
