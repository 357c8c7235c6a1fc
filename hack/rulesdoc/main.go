// Command rulesdoc writes the reference of the language of policies from the code that makes it.
//
//	rulesdoc FACTS.GO PAGE.MD
package main

import (
	"fmt"
	"os"

	"stargate.io/stargate/policies/rules/reference"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: rulesdoc FACTS.GO PAGE.MD")
		os.Exit(64)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "rulesdoc:", err)
		os.Exit(1)
	}
}

func write(facts, page string) error {
	source, err := os.ReadFile(facts) //nolint:gosec // what a person told it to read is read
	if err != nil {
		return err
	}
	text, err := reference.Page(source)
	if err != nil {
		return err
	}
	return os.WriteFile(page, text, 0o644) //nolint:gosec // a page of the documentation, where a person told it to write
}
