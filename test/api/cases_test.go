package api_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gv "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/test/cluster"
)

// strict refuses unknown and doubled fields, as kubectl does.
const strict = metav1.FieldValidationStrict

// testCase is one document of a file.
type testCase struct {
	name   string   // file and place
	says   string   // what its comment says of it
	errors []string // what the server must say; none where it must let it in
	object *unstructured.Unstructured
}

var documentEnd = regexp.MustCompile(`(?m)^---\s*$`)

// cases of a kind's folder, by file.
func cases(t *testing.T, k *kind, folder string) map[string][]testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", k.folder(), folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]testCase{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documentEnd.Split(string(text), -1) {
			all[file] = append(all[file], parse(t, file, document))
		}
	}
	return all
}

func parse(t *testing.T, file, document string) testCase {
	t.Helper()
	c := testCase{object: &unstructured.Unstructured{}}
	for line := range strings.Lines(document) {
		if comment, ok := strings.CutPrefix(line, "# "); !ok {
			continue
		} else if message, ok := strings.CutPrefix(comment, "error: "); ok {
			c.errors = append(c.errors, strings.TrimSpace(message))
		} else {
			c.says = strings.TrimSpace(c.says + " " + strings.TrimSpace(comment))
		}
	}
	if err := yaml.UnmarshalStrict([]byte(document), &c.object.Object); err != nil {
		t.Fatalf("%s: %v\n%s", file, err, document)
	}
	c.name = strings.TrimSuffix(filepath.Base(file), ".yaml") + "/" + c.says
	if c.says == "" {
		c.name += c.object.GetName()
	}
	return c
}

// resource gives a client for a kind, in namespace where it has one.
func resource(t *testing.T, config *rest.Config, k *kind, namespace string) dynamic.ResourceInterface {
	t.Helper()
	quiet := rest.CopyConfig(config)
	quiet.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(quiet)
	if err != nil {
		t.Fatal(err)
	}
	all := client.Resource(gv.GroupVersionResource{Group: k.Spec.Group, Version: "v1alpha1", Resource: k.Spec.Names.Plural})
	if k.namespaced() {
		return all.Namespace(namespace)
	}
	return all
}

// create with what is left of an object once the test is over removed again: objects of the whole
// cluster outlive the test's namespace.
func create(t *testing.T, to dynamic.ResourceInterface, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	made, err := to.Create(t.Context(), object, metav1.CreateOptions{FieldValidation: strict})
	if err == nil && made.GetNamespace() == "" {
		t.Cleanup(func() { _ = to.Delete(context.Background(), made.GetName(), metav1.DeleteOptions{}) })
	}
	return made, err
}

// check compares what the server said with what it should say.
func (c testCase) check(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		if len(c.errors) > 0 {
			t.Errorf("let in; it should be refused with %q", c.errors)
		}
		return
	}
	if len(c.errors) == 0 {
		t.Errorf("refused: %v", err)
	}
	for _, message := range c.errors {
		if !strings.Contains(err.Error(), message) {
			t.Errorf("refused, but not with %q:\n%v", message, err)
		}
	}
}

func TestValid(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		t.Run(k.Spec.Names.Kind, func(t *testing.T) {
			to := resource(t, c.Config, k, c.Namespace(t))
			for _, some := range cases(t, k, "valid") {
				for _, each := range some {
					t.Run(each.name, func(t *testing.T) {
						made, err := create(t, to, each.object)
						each.check(t, err)
						if err == nil {
							roundTrip(t, made)
						}
					})
				}
			}
		})
	}
}

// TestRefusals: each case is refused with the words that it gives, and together they show every rule.
func TestRefusals(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		t.Run(k.Spec.Names.Kind, func(t *testing.T) {
			to := resource(t, c.Config, k, c.Namespace(t))
			var told refusals
			for _, some := range cases(t, k, "invalid") {
				for _, each := range some {
					t.Run("invalid/"+each.name, func(t *testing.T) {
						if len(each.errors) == 0 {
							t.Fatal("does not say how it is refused")
						}
						_, err := create(t, to, each.object)
						each.check(t, err)
						told.add(err)
					})
				}
			}
			for _, steps := range cases(t, k, "update") {
				if _, err := create(t, to, steps[0].object); err != nil {
					t.Fatalf("%s: %v", steps[0].name, err)
				}
				for _, step := range steps[1:] {
					t.Run("update/"+step.name, func(t *testing.T) {
						err := update(t, to, step.object)
						step.check(t, err)
						told.add(err)
					})
				}
			}
			told.complete(t, k)
		})
	}
}

// refusals are what the server said, as "field: message".
type refusals []string

var index = regexp.MustCompile(`\[\d+\]`)

func (r *refusals) add(err error) {
	var status *apierrors.StatusError
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			*r = append(*r, index.ReplaceAllString(cause.Field, ".[]")+": "+cause.Message)
		}
	}
}

// complete fails t for a CEL rule that no case was refused by. Those of status are for clients, not
// for people; TestTypedClientsReadWhatIsLetIn is about them.
func (r refusals) complete(t *testing.T, k *kind) {
	t.Helper()
	walk(&k.root, nil, func(at path, s *schema) {
		for _, rule := range s.XValidations {
			shown := at[0] == "status" || slices.ContainsFunc(r, func(said string) bool {
				return strings.HasPrefix(said, at.String()+": ") && strings.Contains(said, rule.Message)
			})
			if !shown {
				t.Errorf("no case is refused by the rule of %s: %s", at, rule.Message)
			}
		}
	})
}

// update replaces the spec of the object that is there.
func update(t *testing.T, to dynamic.ResourceInterface, object *unstructured.Unstructured) error {
	t.Helper()
	live, err := to.Get(t.Context(), object.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	live.Object["spec"] = object.Object["spec"]
	_, err = to.Update(t.Context(), live, metav1.UpdateOptions{FieldValidation: strict})
	return err
}
