package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"stargate.io/stargate/simulator"
)

// faultCommand does a fault to a machine; what the simulator does about it is what one wants to see.
func (a *app) faultCommand(kind, short string) *cobra.Command {
	return &cobra.Command{
		Use:   kind + " NAME",
		Short: short,
		Args:  exactly(1, "the name of a machine"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := simulator.ValidName(args[0]); err != nil {
				return usagef("%s", err)
			}
			if _, err := a.tell(cmd.Context(), http.MethodPost, "/machines/"+url.PathEscape(args[0])+"/"+kind); err != nil {
				return err
			}
			a.note("Done. See what becomes of it: simulator list -o wide")
			return nil
		},
	}
}

func (a *app) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a machine with its disk",
		Long: `Delete a machine with its process, disk, tap and files. The Server object, where
there is one, is not touched: its next repave makes the machine anew.`,
		Args: exactly(1, "the name of a machine"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := simulator.ValidName(args[0]); err != nil {
				return usagef("%s", err)
			}
			_, err := a.tell(cmd.Context(), http.MethodDelete, "/machines/"+url.PathEscape(args[0]))
			return err
		},
	}
}
