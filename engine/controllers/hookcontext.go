package controllers

import (
	"reflect"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/rules"
)

// hookContext is what a script sees as ctx: the facts that rules are asked about, in their words, and where
// the Operation stands. What is not known is not there: a script asks "is there a node?" and not "is it called
// nothing?".
func hookContext(facts *rules.Facts, op *v1alpha1.Operation, effect operation.RunHook) map[string]any {
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
		if known.Unix() <= 0 {
			return nil
		}
		return known.UTC().Format(time.RFC3339)
	case time.Duration:
		return known.String()
	case string:
		if known == "" {
			return nil
		}
		return known
	}
	switch value.Kind() {
	case reflect.Map, reflect.Slice:
		return plainMembers(value)
	case reflect.Struct:
		return plainFields(value)
	default:
		return value.Interface()
	}
}

// plainMembers of a map or a list of texts; there also where there are none.
func plainMembers(value reflect.Value) any {
	if value.Kind() == reflect.Map {
		all := map[string]any{}
		for key, each := range value.Seq2() {
			all[key.String()] = each.String()
		}
		return all
	}
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
