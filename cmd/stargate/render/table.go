package render

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// gap between two columns, as kubectl has it.
const gap = "   "

// Cell of a table.
type Cell struct {
	Text   string
	Colour Colour
}

// Text makes a cell without a colour.
func Text(text string) Cell { return Cell{Text: text} }

// Texts makes cells without colours.
func Texts(texts ...string) []Cell {
	cells := make([]Cell, 0, len(texts))
	for _, text := range texts {
		cells = append(cells, Text(text))
	}
	return cells
}

// Table is rows under a header. Without a header none is drawn.
type Table struct {
	Header []string
	Rows   [][]Cell
}

// Lines lays the table out. Lines are cut to width where that is not zero.
func (t Table) Lines(style Style, width int) []string {
	widths := t.widths()
	lines := make([]string, 0, len(t.Rows)+1)
	if len(t.Header) > 0 {
		lines = append(lines, line(Texts(t.Header...), widths, style, width))
	}
	for _, row := range t.Rows {
		lines = append(lines, line(row, widths, style, width))
	}
	return lines
}

// Write writes the table, uncut: what is read by programs must be whole.
func (t Table) Write(out io.Writer, style Style) error {
	_, err := io.WriteString(out, strings.Join(t.Lines(style, 0), "\n")+"\n")
	return err
}

func (t Table) widths() []int {
	var widths []int
	measure := func(cells []Cell) {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(Clean(cell.Text)))
		}
	}
	measure(Texts(t.Header...))
	for _, row := range t.Rows {
		measure(row)
	}
	return widths
}

// line lays out one row. The last cell is not padded, and colour is put on after cutting, so that
// no escape sequence is ever cut in two.
func line(cells []Cell, widths []int, style Style, width int) string {
	var text strings.Builder
	used := 0
	for i, cell := range cells {
		plain := Clean(cell.Text)
		if width > 0 {
			if used >= width {
				break
			}
			plain = Cut(plain, width-used)
		}
		text.WriteString(style.Paint(cell.Colour, plain))
		used += runewidth.StringWidth(plain)
		if i == len(cells)-1 {
			break
		}
		pad := widths[i] - runewidth.StringWidth(plain) + len(gap)
		text.WriteString(strings.Repeat(" ", pad))
		used += pad
	}
	return strings.TrimRight(text.String(), " ")
}
