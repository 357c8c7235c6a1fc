package render

import (
	"fmt"
	"io"

	"github.com/vbauerster/mpb/v8/cwriter"
)

// Screen redraws the same lines of a terminal.
type Screen struct {
	writer *cwriter.Writer
	style  Style
}

// NewScreen draws on a terminal from where its cursor is.
func NewScreen(out io.Writer, style Style) *Screen {
	return &Screen{writer: cwriter.New(out), style: style}
}

// Size is what the terminal measures now: people resize windows.
func (s *Screen) Size() (width, height int) {
	width, height, err := s.writer.GetTermSize()
	if err != nil || width <= 0 || height <= 0 {
		return s.style.Width, s.style.Height
	}
	return width, height
}

// Draw puts lines in the place of those drawn before. What does not fit is counted, not drawn,
// because a cursor cannot go up beyond the screen's edge.
func (s *Screen) Draw(lines []string) error {
	_, height := s.Size()
	if room := height - 1; len(lines) > room {
		hidden := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], s.style.Paint(Faint, fmt.Sprintf("… and %d more", hidden)))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(s.writer, line); err != nil {
			return err
		}
	}
	return s.writer.Flush(len(lines))
}
