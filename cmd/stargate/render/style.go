package render

import (
	"io"
	"os"

	"golang.org/x/term"
)

// fallbackWidth is what a terminal that does not know its size is taken to have.
const (
	fallbackWidth  = 80
	fallbackHeight = 24
)

// Style says what a stream can show.
type Style struct {
	// Terminal: a person looks at it, and lines can be redrawn.
	Terminal bool
	// Colour: a terminal, and nobody asked for none.
	Colour bool
	// Width and Height of the terminal; zero where it is none.
	Width, Height int
}

// StyleOf looks at a stream and at NO_COLOR and TERM.
func StyleOf(stream any) Style {
	file, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return Style{}
	}
	style := Style{Terminal: true, Width: fallbackWidth, Height: fallbackHeight}
	if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 && height > 0 {
		style.Width, style.Height = width, height
	}
	name := os.Getenv("TERM")
	style.Colour = os.Getenv("NO_COLOR") == "" && name != "dumb" && name != ""
	// A dumb terminal cannot move its cursor, so it gets what a pipe gets.
	style.Terminal = name != "dumb"
	return style
}

// IsTerminal tells whether a person can be asked through a stream.
func IsTerminal(stream io.Reader) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Colour of a cell. The zero value is the terminal's own.
type Colour string

// The colours, by what they say.
const (
	Plain Colour = ""
	Good  Colour = "\x1b[32m"
	Bad   Colour = "\x1b[31m"
	Held  Colour = "\x1b[33m"
	Busy  Colour = "\x1b[36m"
	Faint Colour = "\x1b[2m"
	reset        = "\x1b[0m"
)

// Paint gives text its colour where the stream shows any.
func (s Style) Paint(colour Colour, text string) string {
	if !s.Colour || colour == Plain || text == "" {
		return text
	}
	return string(colour) + text + reset
}
