// Package users says who the machines of a test run as: users of their own where the tests run as root, and whoever runs
// them otherwise, who can start nothing as another.
//
// It must never be imported by what is not a test.
package users

import (
	"os"

	"stargate.io/stargate/simulator/account"
)

// Range of them.
func Range() account.Range {
	if os.Geteuid() != 0 {
		return account.Range{}
	}
	return account.Default
}
