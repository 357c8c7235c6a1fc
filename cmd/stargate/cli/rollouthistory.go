package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// historyReport is what `stargate rollout history -o json` prints.
type historyReport struct {
	render.Header
	Namespace string                   `json:"namespace"`
	Name      string                   `json:"name"`
	Revisions []v1alpha1.RolloutRecord `json:"revisions"`
}

func (a *App) rolloutHistoryCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "history GROUP",
		Short: "List a group's revisions: what, by whom, how it ended, how long it took",
		Long: `List a group's last ten revisions, the latest first: what was rolled out, by which
commit, who wrote and who approved it, how it ended and how long it took. The way
back is to revert the commit: that is a revision too, and goes through the same waves.`,
		Example:           a.text("  stargate rollout history web -n dc-west"),
		ValidArgsFunction: a.completeNames(groupKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneNamed(args, groupKind())
			if err == nil {
				err = checkOutput(output, render.Wide, render.JSON, render.YAML)
			}
			if err != nil {
				return err
			}
			return a.history(cmd.Context(), name, output)
		},
	}
	a.outputFlag(command, &output, render.Wide, render.JSON, render.YAML)
	return command
}

func (a *App) history(ctx context.Context, name, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	object, err := cluster.read(ctx, groupKind(), name)
	if err != nil {
		return err
	}
	group := asGroup(object)
	records := revisionsOf(group)
	if structured(output) {
		return render.Structured(a.out, output, historyReport{render.HeaderOf("RolloutHistory"), group.Namespace, name, records})
	}
	if len(records) == 0 {
		a.note("%s has no revision yet", groupKind().named(group))
		return nil
	}
	return a.historyTable(records, output == render.Wide).Write(a.out, a.style)
}

// revisionsOf puts what rolls out now first, as it is now, before what did, each once.
func revisionsOf(group *v1alpha1.ServerGroup) []v1alpha1.RolloutRecord {
	status := &group.Status
	now, history := status.Revision, status.History
	records := []v1alpha1.RolloutRecord{}
	if now.Name == "" {
		return append(records, history...)
	}
	record := v1alpha1.RolloutRecord{Result: v1alpha1.RolloutRunning, StartedAt: now.StartedAt, FinishedAt: now.CompletedAt}
	if now.CompletedAt != nil {
		record.Result = v1alpha1.RolloutSucceeded
	}
	recorded := len(history) > 0 && history[0].Revision.Number == now.Number
	if recorded {
		record, history = history[0], history[1:]
	}
	record.Revision = now
	if !recorded || record.Result == v1alpha1.RolloutRunning {
		record.Updated, record.Failed, record.Message = status.Updated, status.Failed, groupMessage(group)
	}
	return append(append(records, record), history...)
}

func (a *App) historyTable(records []v1alpha1.RolloutRecord, wide bool) render.Table {
	laid := render.Table{Header: []string{"REVISION", "PROFILE", "OS", "COMMIT", "AUTHOR", "APPROVED-BY", "RESULT", "UPDATED", "FAILED", "STARTED", "TOOK"}}
	if wide {
		laid.Header = append(laid.Header, "SIGNED-BY", "MADE", "HASH", "MESSAGE")
	}
	for _, record := range records {
		revision := record.Revision
		row := []render.Cell{
			cell(revision.Name), cell(revision.Profile), cell(revision.OSVersion), cell(shortCommit(revision.Commit)), cell(revision.Author),
			cell(revision.ApprovedBy), {Text: render.Or(string(record.Result), none), Colour: resultColour(record.Result)},
			number(int(record.Updated), render.Plain), number(int(record.Failed), render.Bad),
			cell(a.ago(record.StartedAt)), cell(took(record.StartedAt, record.FinishedAt)),
		}
		if wide {
			row = append(row, cell(revision.SignedBy), cell(fmt.Sprint(revision.Made)), cell(revision.ProfileHash), cell(record.Message))
		}
		laid.Rows = append(laid.Rows, row)
	}
	return laid
}

func (a *App) ago(at *metav1.Time) string {
	if at == nil {
		return ""
	}
	return render.Age(at.Time, a.now()) + " ago"
}

func took(from, to *metav1.Time) string {
	if from == nil || to == nil {
		return ""
	}
	return render.Age(from.Time, to.Time)
}

func resultColour(result v1alpha1.RolloutResult) render.Colour {
	switch result {
	case v1alpha1.RolloutSucceeded:
		return render.Good
	case v1alpha1.RolloutFailed:
		return render.Bad
	case v1alpha1.RolloutRunning:
		return render.Busy
	case v1alpha1.RolloutSuperseded:
	}
	return render.Plain
}
