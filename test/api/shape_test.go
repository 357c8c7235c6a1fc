package api_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"stargate.io/stargate/api/v1alpha1"
)

// TestEveryFieldIsDescribed, so that `kubectl explain` reads well. The lists of standard conditions are
// described by Kubernetes.
func TestEveryFieldIsDescribed(t *testing.T) {
	for _, k := range allKinds(t) {
		if len(k.root.Description) < 20 {
			t.Errorf("%s says not what it is", k.Name)
		}
		walk(&k.root, nil, func(at path, s *schema) {
			if last := at[len(at)-1]; last == "[]" || last == "{}" || slices.Contains(at, "conditions") {
				return
			}
			if words := strings.Fields(s.Description); len(words) < 2 || !strings.HasSuffix(strings.TrimSpace(s.Description), ".") {
				t.Errorf("%s %s: %q is no description", k.Spec.Names.Kind, at, s.Description)
			}
		})
	}
}

// TestShape: what every kind has in common.
func TestShape(t *testing.T) {
	short := map[string]string{"Server": "srv", "Operation": "op", "ProvisioningProfile": "pp", "ServerGroup": "sg", "Datacenter": "dc",
		"Fleet": "fl", "Policy": "sgpol", "Hook": "sghook"}
	if len(allKinds(t)) != len(short) {
		t.Errorf("%d kinds, not %d", len(allKinds(t)), len(short))
	}
	for _, k := range allKinds(t) {
		names := k.Spec.Names
		if !slices.Equal(names.ShortNames, []string{short[names.Kind]}) || !slices.Equal(names.Categories, []string{"stargate"}) {
			t.Errorf("%s: short names %v, categories %v", names.Kind, names.ShortNames, names.Categories)
		}
		if k.namespaced() == slices.Contains([]string{"Fleet", "Policy", "Hook"}, names.Kind) {
			t.Errorf("%s: scope %s", names.Kind, k.Spec.Scope)
		}
		for _, v := range k.Spec.Versions {
			if v.Subresources == nil || v.Subresources.Status == nil || !v.Served || !v.Storage {
				t.Errorf("%s: version %s: served %t, storage %t, subresources %v", names.Kind, v.Name, v.Served, v.Storage, v.Subresources)
			}
		}
		if !slices.Equal(k.root.Required, []string{"spec"}) {
			t.Errorf("%s requires %v, not spec alone", names.Kind, k.root.Required)
		}
		walk(&k.root, nil, func(at path, s *schema) {
			if s.Format == "date-time" && s.Pattern == "" {
				t.Errorf("%s %s: a time without the pattern of what Go parses", names.Kind, at)
			}
			if s.Type == "array" && at[0] == "spec" && s.MaxItems == nil {
				t.Errorf("%s %s: a list without a bound", names.Kind, at)
			}
			if s.Type == "string" && at[0] == "spec" && s.MaxLength == nil && len(s.Enum) == 0 && s.Format == "" {
				t.Errorf("%s %s: a text without a bound", names.Kind, at)
			}
			if s.Type == "integer" && at[0] == "spec" && (s.Minimum == nil || s.Maximum == nil) {
				t.Errorf("%s %s: a number without bounds", names.Kind, at)
			}
		})
	}
}

// TestReferencesCarryNoNamespace: nothing can name an object of another namespace, and a Secret is
// named by its name, and where it needs one its key, alone.
func TestReferencesCarryNoNamespace(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, sample := range scheme.KnownTypes(v1alpha1.GroupVersion) {
		if sample.PkgPath() == reflect.TypeFor[v1alpha1.Server]().PkgPath() {
			noNamespace(t, sample, seen)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d types seen", len(seen))
	}
	for _, k := range allKinds(t) {
		walk(&k.root, nil, func(at path, s *schema) {
			if at[len(at)-1] == "namespace" {
				t.Errorf("%s has a field %s", k.Spec.Names.Kind, at)
			}
		})
	}
}

func noNamespace(t *testing.T, typ reflect.Type, seen map[reflect.Type]bool) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		noNamespace(t, typ.Elem(), seen)
		return
	case reflect.Struct:
	default:
		return
	}
	ours := typ.PkgPath() == reflect.TypeFor[v1alpha1.Server]().PkgPath()
	if !ours || seen[typ] {
		return
	}
	seen[typ] = true
	var fields []string
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields = append(fields, name)
		if strings.EqualFold(name, "namespace") {
			t.Errorf("%s.%s: a reference into another namespace", typ.Name(), field.Name)
		}
		noNamespace(t, field.Type, seen)
	}
	if strings.HasSuffix(typ.Name(), "Reference") {
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != "name" && got != "key name" && (got != "name uid" || typ != reflect.TypeFor[v1alpha1.ServerReference]()) {
			t.Errorf("%s has the fields %s", typ.Name(), got)
		}
	}
}
