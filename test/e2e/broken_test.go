package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/gitsync/tree/treetest"
	"stargate.io/stargate/test/gitserver"
)

// brokenCommits there must be at least.
const brokenCommits = 100

// TestBrokenCommits pushes one broken commit after another, each of which would also change, add and
// prune what is in, had it nothing wrong: none changes a single object, or asks the site for anything;
// each is told with file, line and mend; the last good one stays applied; and the next good one comes in.
func TestBrokenCommits(t *testing.T) {
	t.Parallel()
	b := newBrokenRoom(t)
	good := b.push(b.files("2.0.0", 4), b.sign)
	b.Start(t)
	b.Create(b.Fleet)
	b.UntilApplied(good)
	b.Applies(1)
	before, asked := b.everything(), len(b.Site.Record())

	cases := b.broken()
	if len(cases) < brokenCommits {
		t.Fatalf("%d broken commits, too few", len(cases))
	}
	b.store(good, cases)
	reasons := map[string]int{}
	for n := range cases {
		reasons[b.refused(&cases[n], good, n)]++
	}
	b.same(before, b.everything())
	if now := b.Site.Record(); len(now) != asked {
		t.Errorf("the site was asked for something: %+v", now[asked:])
	}
	t.Logf("%d broken commits, refused for %v", len(cases), reasons)

	mended := b.push(b.files("2.1.0", 3), b.sign)
	b.Notify()
	b.UntilApplied(mended)
	b.Applies(2)
	if len(b.Fleet.Status.Errors) > 0 {
		t.Errorf("errors stay: %+v", b.Fleet.Status.Errors)
	}
	b.UntilGone(b.Server(4))
	for _, server := range []string{b.Server(1).Name, b.Server(2).Name, b.Server(3).Name} {
		b.Accepted(server, 2)
	}
	b.Accepted(b.Server(4).Name, 1)
}

// brokenCommit is one, and how it must be told.
type brokenCommit struct {
	name   string
	reason string // of the condition; empty where the size of the commit decides which one it is
	files  map[string]string
	odd    []oddEntry
	file   string // that must be named; empty for none
	line   int
	sign   gitserver.Signer
	forged bool // changed after it was signed
	commit string
}

// oddEntry of a commit is no plain file.
type oddEntry struct{ mode, path, content string }

// brokenRoom has a fleet that takes signed commits only.
type brokenRoom struct {
	*FleetRoom
	sign, stranger, elsewhere gitserver.Signer
}

func newBrokenRoom(t *testing.T) *brokenRoom {
	t.Helper()
	b := &brokenRoom{FleetRoom: NewWorld(t).FleetRoom(gitserver.Options{})}
	private, public, err := gitserver.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := gitserver.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	b.sign, b.stranger, b.elsewhere = gitserver.SSHSigner(private, "git"), gitserver.SSHSigner(other, "git"), gitserver.SSHSigner(private, "file")
	b.Secret("keys", map[string]string{"allowed_signers": "ann@example.org " + strings.TrimSpace(public) + "\n"})
	b.Fleet.Spec.Verify = &v1alpha1.Verification{KeysRef: v1alpha1.SecretReference{Name: "keys"}, Mode: v1alpha1.VerifyRequire}
	return b
}

// files of the room's own datacenter, with nothing wrong.
func (b *brokenRoom) files(version string, servers int) map[string]string {
	return map[string]string{b.at("profile.yaml"): profileFile(version), b.at("servers.yaml"): serversFile(servers), b.at("group.yaml"): groupFile}
}

// push a commit with these files and no others.
func (b *brokenRoom) push(files map[string]string, signer gitserver.Signer) string {
	b.Helper()
	if _, err := b.Repo.Git("read-tree", "--empty"); err != nil {
		b.Fatal(err)
	}
	return b.Push("good", files, gitserver.CommitOptions{Signer: signer})
}

// broken commits: those of the tree, and those that only git can hold.
func (b *brokenRoom) broken() []brokenCommit {
	// What else each would do, were it taken: another OS, fewer servers.
	meanwhile := b.files("6.6.6", 2)
	var all []brokenCommit
	for _, c := range treetest.Broken(1) {
		files := maps.Clone(c.Files)
		maps.Copy(files, meanwhile)
		all = append(all, brokenCommit{name: c.Name, files: files, file: c.WantFile, line: c.WantLine, sign: b.sign})
	}
	for name, entry := range map[string]oddEntry{
		"symlink out of the repository": {"120000", "datacenters/passwd.yaml", "../../../../etc/passwd"},
		"symlink to an absolute path":   {"120000", "profiles/shadow.yaml", "/etc/shadow"},
		"symlink of a folder":           {"120000", "datacenters/all", "/"},
		"symlink within the repository": {"120000", "policies", b.at("servers.yaml")},
		"submodule":                     {"160000", "vendor/fleet", strings.Repeat("1", 40)},
		"submodule in place of a file":  {"160000", "profiles/os.yaml", strings.Repeat("2", 40)},
		"oversize file":                 {"100644", "profiles/large.yaml", "# " + strings.Repeat("x", 1<<20)},
	} {
		all = append(all, brokenCommit{name: name, reason: v1alpha1.ReasonSourceRefused, files: meanwhile, odd: []oddEntry{entry}, file: entry.path, sign: b.sign})
	}
	return append(all,
		brokenCommit{name: "signature missing", reason: v1alpha1.ReasonSignatureInvalid, files: meanwhile},
		brokenCommit{name: "signature by another key", reason: v1alpha1.ReasonSignatureInvalid, files: meanwhile, sign: b.stranger},
		brokenCommit{name: "signature meant for something else", reason: v1alpha1.ReasonSignatureInvalid, files: meanwhile, sign: b.elsewhere},
		brokenCommit{name: "signature of another commit", reason: v1alpha1.ReasonSignatureInvalid, files: meanwhile, sign: b.sign, forged: true},
		brokenCommit{name: "broken, and not signed", reason: v1alpha1.ReasonSignatureInvalid, files: map[string]string{"a.yaml": "a: ["}},
	)
}

// store the commits in the repository, all in one go.
func (b *brokenRoom) store(parent string, cases []brokenCommit) {
	b.Helper()
	if _, err := b.Repo.GitInput(fastImport(cases), "fast-import", "--quiet"); err != nil {
		b.Fatal(err)
	}
	trees, err := b.Repo.Git("for-each-ref", "--format=%(tree)", "refs/cases/")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	var paths strings.Builder
	for n, root := range strings.Fields(trees) {
		raw := fmt.Sprintf("tree %s\nparent %s\nauthor Ann Author <ann@example.org> 1700000000 +0000\ncommitter Ann Author <ann@example.org> 1700000000 +0000\n\n%s\n",
			root, parent, cases[n].name)
		if sign := cases[n].sign; sign != nil {
			signature, err := sign([]byte(raw))
			if err != nil {
				b.Fatal(err)
			}
			if cases[n].forged {
				raw += "And more.\n"
			}
			raw = gitserver.WithSignature(raw, signature)
		}
		path := filepath.Join(dir, strconv.Itoa(n))
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			b.Fatal(err)
		}
		paths.WriteString(path + "\n")
	}
	names, err := b.Repo.GitInput([]byte(paths.String()), "hash-object", "-t", "commit", "-w", "--literally", "--stdin-paths")
	if err != nil {
		b.Fatal(err)
	}
	for n, name := range strings.Fields(names) {
		cases[n].commit = name
	}
}

// fastImport writes the trees for git fast-import, under refs/cases/ in order.
func fastImport(cases []brokenCommit) []byte {
	var out bytes.Buffer
	data := func(text string) { fmt.Fprintf(&out, "data %d\n%s\n", len(text), text) }
	for n := range cases {
		fmt.Fprintf(&out, "commit refs/cases/%04d\ncommitter Ann Author <ann@example.org> 1700000000 +0000\n", n)
		data(cases[n].name)
		out.WriteString("deleteall\n")
		for _, path := range slices.Sorted(maps.Keys(cases[n].files)) {
			fmt.Fprintf(&out, "M 100644 inline %s\n", path)
			data(cases[n].files[path])
		}
		for _, odd := range cases[n].odd {
			if odd.mode == "160000" {
				fmt.Fprintf(&out, "M 160000 %s %s\n", odd.content, odd.path)
				continue
			}
			fmt.Fprintf(&out, "M %s inline %s\n", odd.mode, odd.path)
			data(odd.content)
		}
	}
	return out.Bytes()
}

// refused moves the branch to a commit, waits until the Fleet tells of it, and looks at what it tells:
// the reason is given.
func (b *brokenRoom) refused(c *brokenCommit, good string, n int) string {
	b.Helper()
	if err := b.Repo.SetRef("refs/heads/main", c.commit); err != nil {
		b.Fatal(err)
	}
	asked := fmt.Sprintf("case %d", n)
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRequestedAt, asked)
	if err := b.Client.Patch(b.Context(), b.Fleet, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		b.Fatal(err)
	}
	status := &b.Fleet.Status
	b.Until(b.Fleet, "telling of "+c.name, func() bool {
		return status.LastHandledRequestedAt == asked && strings.HasSuffix(status.LastAttemptedRevision, c.commit)
	})
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionFalse || !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled) {
		b.Fatalf("%s: conditions %+v", c.name, status.Conditions)
	}
	if !strings.HasSuffix(status.LastAppliedRevision, good) || status.Applying != nil || status.Applies != 1 || status.Pending != nil {
		b.Fatalf("%s: %+v", c.name, status)
	}
	if line := status.History[0]; line.Result != v1alpha1.FleetRefused || !strings.HasSuffix(line.Revision, c.commit) {
		b.Errorf("%s: history says %+v", c.name, line)
	}
	for _, words := range []string{c.commit[:7], "stays applied", good[:7]} {
		if !strings.Contains(ready.Message, words) {
			b.Errorf("%s: the condition does not say %q: %s", c.name, words, ready.Message)
		}
	}
	b.told(c, ready)
	return ready.Reason
}

// told fails unless file, line and mend are.
func (b *brokenRoom) told(c *brokenCommit, ready *metav1.Condition) {
	b.Helper()
	if c.reason != "" && ready.Reason != c.reason {
		b.Errorf("%s: refused for %s, not for %s: %s", c.name, ready.Reason, c.reason, ready.Message)
	}
	switch ready.Reason {
	case v1alpha1.ReasonCommitInvalid:
		for _, problem := range b.Fleet.Status.Errors {
			if problem.Path == c.file && int(problem.Line) == c.line {
				if _, mend, _ := strings.Cut(problem.Message, "; "); mend == "" {
					b.Errorf("%s: no mend in %q", c.name, problem.Message)
				}
				return
			}
		}
		b.Errorf("%s: nothing is told at %s:%d, but %+v", c.name, c.file, c.line, b.Fleet.Status.Errors)
	case v1alpha1.ReasonSourceRefused, v1alpha1.ReasonSignatureInvalid:
		what, kept, _ := strings.Cut(ready.Message, "is refused: ")
		if told := strings.Split(kept, "; "); !strings.Contains(kept, c.file) || len(told) < 3 {
			b.Errorf("%s: no file or mend in %q of %s", c.name, kept, what)
		}
	default:
		b.Errorf("%s: refused for %s: %s", c.name, ready.Reason, ready.Message)
	}
}

// everything of our kinds that is in the room, or the fleet's, or where a broken commit would put it:
// the version of each object.
func (b *brokenRoom) everything() map[string]string {
	b.Helper()
	versions := map[string]string{}
	for _, list := range []client.ObjectList{&v1alpha1.ServerList{}, &v1alpha1.ServerGroupList{}, &v1alpha1.ProvisioningProfileList{},
		&v1alpha1.DatacenterList{}, &v1alpha1.PolicyList{}, &v1alpha1.HookList{}, &v1alpha1.OperationList{}} {
		if err := b.Client.List(b.Context(), list); err != nil {
			b.Fatal(err)
		}
		_ = meta.EachListItem(list, func(object runtime.Object) error {
			o := object.(client.Object) //nolint:forcetypeassert // items of an ObjectList are Objects
			ours := []string{b.Namespace, b.System, "west", "east", "default"}
			if slices.Contains(ours, o.GetNamespace()) || o.GetLabels()[v1alpha1.LabelFleet] == b.Fleet.Name {
				versions[fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName())] = string(o.GetUID()) + " " + o.GetResourceVersion()
			}
			return nil
		})
	}
	return versions
}

// same fails for each object that is not as it was.
func (b *brokenRoom) same(before, now map[string]string) {
	b.Helper()
	for key, version := range now {
		if before[key] != version {
			b.Errorf("%s is at %s, and was at %q", key, version, before[key])
		}
	}
	for key := range before {
		if now[key] == "" {
			b.Errorf("%s is gone", key)
		}
	}
	if len(before) < 8 || len(Events(b.Site, site.Accepted)) == 0 {
		b.Errorf("only %d objects were there to be changed", len(before))
	}
}
