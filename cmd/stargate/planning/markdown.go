package planning

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"stargate.io/stargate/cmd/stargate/render"
)

// markdownLimit is how long a comment on a pull request may be, with room for what surrounds it.
const markdownLimit = 60_000

// Marker begins every comment, so that a job can find the one it wrote before and replace it.
const Marker = "<!-- stargate plan -->"

// sections of a comment, each whole or left out.
type sections struct {
	text strings.Builder
	// room left for sections that can be left out.
	room int
	left int
}

// Markdown writes a report as a comment on a pull request. What it says of the whole is always there;
// details are folded, and left out where they would make it too long.
func (r *Report) Markdown(out io.Writer) error {
	foot := r.foot()
	s := &sections{room: markdownLimit - len(foot) - 500}
	s.add(Marker + "\n### " + plain(r.title()) + "\n\n" + r.head() + "\n")
	for i := range r.Groups {
		s.make(func() string { return r.groupSection(&r.Groups[i]) })
	}
	for i := range r.Repaves {
		s.make(func() string { return whySection(&r.Repaves[i]) })
	}
	o := &r.Objects
	s.add(objectSection("Refused", "!", o.Refused))
	s.add(objectSection("Pruned", "-", o.Pruned))
	s.add(objectSection("Waiting to be pruned", "-", o.Waiting))
	s.add(objectSection("Changed", "~", o.Changed))
	s.add(objectSection("Added", "+", o.Added))
	if s.left > 0 {
		fmt.Fprintf(&s.text, "\n_%s left out: the comment would be too long. `stargate plan -o json` has all._\n", render.Count(s.left, "section"))
	}
	_, err := io.WriteString(out, s.text.String()+foot)
	return err
}

// least room that a section is made for.
const least = 1_000

// make a section and add it, where there is room at all.
func (s *sections) make(section func() string) {
	if s.room-s.text.Len() < least {
		s.left++
		return
	}
	s.add(section())
}

// add a section, unless it is too long for what room there is.
func (s *sections) add(text string) {
	if text == "" {
		return
	}
	if s.text.Len()+len(text) > s.room {
		s.left++
		return
	}
	s.text.WriteString(text)
}

// head says what comes of it all.
func (r *Report) head() string {
	text := "**" + plain(r.sum()) + "**\n"
	if !r.Guard.Allowed {
		text += "\n> [!WARNING]\n> The guard would hold this commit: " + plain(r.Guard.Message) + ".\n"
	}
	if n := len(r.Objects.Refused); n > 0 {
		text += fmt.Sprintf("\n> [!CAUTION]\n> %s of another fleet: nothing of this commit would be applied.\n", render.Count(n, "object"))
	}
	return text
}

func (r *Report) foot() string {
	var b strings.Builder
	if len(r.Notes) > 0 {
		b.WriteString("\n")
	}
	for i, note := range r.Notes {
		if i == listedObjects {
			fmt.Fprintf(&b, "- and %s\n", render.Count(len(r.Notes)-i, "more note"))
			break
		}
		b.WriteString("- " + plain(render.Cut(note, 300)) + "\n")
	}
	fmt.Fprintf(&b, "\n<sub>as of %s, beginning %s</sub>\n", r.LiveAt.UTC().Format("2006-01-02 15:04 UTC"), r.At.Format("2006-01-02 15:04 MST"))
	return b.String()
}

func (r *Report) groupSection(group *Group) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n#### ServerGroup %s\n", plain(group.Namespace+"/"+group.Name))
	if len(group.Waves) > 0 {
		b.WriteString("\n| Wave | Servers | At once | Earliest start | Likely done | Held by |\n|---|---:|---:|---|---|---|\n")
		for _, row := range waveRows(group, r.At) {
			for i := range row {
				row[i] = plain(row[i])
			}
			b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		}
	}
	if !group.Complete {
		for _, hold := range group.Holds {
			b.WriteString("\n- held: " + plain(render.Cut(hold.Message, 300)))
		}
		b.WriteString("\n")
	}
	if len(group.Denied) > 0 {
		var lines []string
		for j := range group.Denied {
			lines = append(lines, "- "+plain(group.Denied[j].text()))
		}
		b.WriteString(folded(render.Count(len(lines), "server")+" would be denied", few(lines)))
	}
	if len(group.Skipped) > 0 {
		var lines []string
		for _, skipped := range group.Skipped {
			lines = append(lines, "- "+plain(skipped.Server+": "+render.Or(skipped.Message, skipped.Reason)))
		}
		b.WriteString(folded(render.Count(len(lines), "server")+" skipped", few(lines)))
	}
	return b.String()
}

func whySection(repave *Repave) string {
	var b strings.Builder
	b.WriteString("\n")
	for _, field := range repave.Why {
		b.WriteString("- " + plain(arrow(field.Path, field.Old, field.New)) + "\n")
		if field.Diff != "" {
			b.WriteString("\n" + fenced("diff", field.Diff) + "\n")
		}
	}
	b.WriteString("\n" + plain(names(repave.Servers)) + "\n")
	return folded(fmt.Sprintf("Why %s in %s/%s", plain(render.Count(len(repave.Servers), "repave")), plain(repave.Namespace), plain(repave.Group)), b.String())
}

func objectSection(title, sign string, objects []Object) string {
	if len(objects) == 0 {
		return ""
	}
	var lines []string
	for i := range objects[:min(len(objects), listedInComment)] {
		o := &objects[i]
		line := sign + " " + o.title()
		for j, field := range o.Fields {
			if j == listedFields {
				line += fmt.Sprintf("\n    and %d more fields", len(o.Fields)-j)
				break
			}
			line += "\n    " + arrow(field.Path, field.Old, field.New)
		}
		if o.Reason != "" {
			line += "\n    " + o.Reason
		}
		lines = append(lines, line)
	}
	if more := len(objects) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return folded(fmt.Sprintf("%s: %s", title, render.Count(len(objects), "object")), "\n"+fenced("", strings.Join(lines, "\n")))
}

// listedInComment is how many lines of one list a comment has.
const listedInComment = 100

func few(lines []string) string { return "\n" + strings.Join(fewLines(lines), "\n") + "\n" }

func fewLines(lines []string) []string {
	if more := len(lines) - listedInComment; more > 0 {
		return append(lines[:listedInComment:listedInComment], fmt.Sprintf("… and %d more", more))
	}
	return lines
}

// folded is a part that a reader opens.
func folded(title, text string) string {
	return "\n<details><summary>" + title + "</summary>\n" + text + "\n</details>\n"
}

// fenced text is shown as it is: the fence is longer than any in it.
func fenced(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = harmless(lines[i])
	}
	return fence + language + "\n" + strings.Join(lines, "\n") + "\n" + fence + "\n"
}

// harmless keeps a line's indentation and takes out what is not printed.
func harmless(line string) string {
	text := strings.TrimLeft(line, " +-~!")
	return line[:len(line)-len(text)] + render.Clean(text)
}

// meaning signs of Markdown and HTML, none of which what others wrote may use.
var meaning = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "~", `\~`,
	"@", "@\u200b", "#", `\#`, "!", `\!`,
)

// plain text: nothing in it is markup, a link, a mention or a line of its own.
func plain(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "?")
	}
	return meaning.Replace(render.Clean(text))
}
