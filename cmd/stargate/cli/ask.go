package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"stargate.io/stargate/cmd/stargate/render"
)

// ask wants a yes from a person. Where there is nobody to ask it refuses, because a script that
// wipes machines must say so itself.
func (a *App) ask(ctx context.Context, question string) error {
	if !render.IsTerminal(a.in) || !a.notes.Terminal {
		return usagef("there is no terminal to ask on; -y says yes in advance")
	}
	if _, err := fmt.Fprintf(a.err, "%s [y/N] ", render.Clean(question)); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answers <- line
	}()
	select {
	case answer := <-answers:
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return nil
		}
		return errDeclined
	case <-ctx.Done():
		a.note("")
		return errDeclined
	}
}
