// Package hookcontext is what a hook's script sees as ctx. The controller gives it to each run, and `stargate hook run`
// to the one that a person tries.
//
//	rules.Facts ──┐
//	Operation   ──┼──Of──▶ plain values: tables of Lua
//	RunHook     ──┘
//
// It takes values and gives values: no clock, no client.
package hookcontext

import (
	"reflect"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/rules"
)

// Of gives what a script sees: the facts that rules are asked about, in their words, and where
// the Operation stands. What is not known is not there: a script asks "is there a node?" and not "is it called
// nothing?".
func Of(facts *rules.Facts, op *v1alpha1.Operation, effect operation.RunHook) map[string]any {
	ctx, _ := plain(reflect.ValueOf(*facts)).(map[string]any)
	ctx["hook"] = map[string]any{"name": effect.Hook.Name, "when": string(effect.Hook.When), "run": effect.Run}
	if attempt := op.Status.LastAttempt(); attempt != nil {
		ctx["attempt"] = map[string]any{"number": attempt.Number, "requestID": attempt.RequestID, "jobID": attempt.JobID}
	}
	if job := effect.Job; job != nil {
		ctx["job"] = map[string]any{"succeeded": job.Phase == v1alpha1.OperationSucceeded, "reason": job.Reason, "message": job.Message}
	}
	return ctx
}

// plain gives the values of facts under the names that rules use; nil for what is not known. A time is written as
// RFC 3339 has it, a duration as Go does. Structs, maps and lists are there even where they are empty, so that a script
// may look into them.
func plain(value reflect.Value) any {
	switch known := value.Interface().(type) {
	case time.Time:
		return plainTime(known)
	case time.Duration:
		return known.String()
	}
	switch value.Kind() {
	case reflect.String:
		return orUnknown(value.String())
	case reflect.Map:
		return plainMap(value)
	case reflect.Slice:
		return plainList(value)
	case reflect.Struct:
		return plainFields(value)
	default:
		return value.Interface()
	}
}

func plainTime(at time.Time) any {
	if at.Unix() <= 0 {
		return nil
	}
	return at.UTC().Format(time.RFC3339)
}

func orUnknown(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// plainMap of texts; there also where it is empty.
func plainMap(value reflect.Value) any {
	all := map[string]any{}
	for key, each := range value.Seq2() {
		all[key.String()] = each.String()
	}
	return all
}

// plainList of texts; there also where it is empty.
func plainList(value reflect.Value) any {
	all := make([]any, 0, value.Len())
	for _, each := range value.Seq2() {
		all = append(all, each.String())
	}
	return all
}

func plainFields(value reflect.Value) any {
	all := map[string]any{}
	for i := range value.NumField() {
		name := value.Type().Field(i).Tag.Get("cel")
		if name == "" || name == "-" {
			continue
		}
		if member := plain(value.Field(i)); member != nil {
			all[name] = member
		}
	}
	return all
}
