package treetest

import (
	"fmt"
	"strings"
)

// kinds that a fleet repository does not take.
func kinds() []broken {
	of := func(api, kind string) string {
		return "apiVersion: " + api + "\n¤kind: " + kind + "\nmetadata: {name: x, namespace: west}\n"
	}
	return []broken{
		{name: "kind: none", text: "¤apiVersion: stargate.io/v1alpha1\nmetadata: {name: x}\n"},
		{name: "kind: no apiVersion", text: "¤kind: Server\nmetadata: {name: x}\n"},
		{name: "kind: of another version", text: "¤apiVersion: stargate.io/v1\nkind: Server\nmetadata: {name: x}\n"},
		{name: "kind: of another group", text: "¤apiVersion: metal3.io/v1alpha1\nkind: Server\nmetadata: {name: x}\n"},
		{name: "kind: misspelt", text: of("stargate.io/v1alpha1", "Sever")},
		{name: "kind: in lower case", text: of("stargate.io/v1alpha1", "server")},
		{name: "kind: Operation", text: of("stargate.io/v1alpha1", "Operation")},
		{name: "kind: Fleet", text: of("stargate.io/v1alpha1", "Fleet")},
		{name: "kind: List", text: of("v1", "List") + "items: []\n"},
		{name: "kind: ServerList", text: of("stargate.io/v1alpha1", "ServerList") + "items: []\n"},
		{name: "kind: Deployment", text: of("apps/v1", "Deployment")},
		{name: "kind: Pod", text: of("v1", "Pod")},
		{name: "kind: ClusterRoleBinding", text: of("rbac.authorization.k8s.io/v1", "ClusterRoleBinding")},
		{name: "kind: Secret where none is allowed", text: of("v1", "Secret") + "stringData: {a: b}\n"},
		{name: "kind: Kustomization", file: "kustomization.yaml", text: of("kustomize.config.k8s.io/v1beta1", "Kustomization")},
		{name: "kind: a number", text: of("stargate.io/v1alpha1", "17")},
	}
}

// fields that the schemas do not take.
func fields() []broken {
	group := func(lines ...string) string {
		return object("ServerGroup", "g", append([]string{"selector: {matchLabels: {role: none}}", "provisioningProfileRef: {name: base}"}, lines...)...)
	}
	cases := []broken{
		{name: "field: required one missing", text: "apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: x}\n¤spec:\n  paused: true\n"},
		{name: "field: no spec", text: "¤apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: x}\n"},
		{name: "field: spec is text", text: "apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: x}\n¤spec: hello\n"},
		{name: "field: spec is a list", text: "apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: x}\n¤spec: [a]\n"},
		{name: "field: MAC", text: object("Server", "x", "¤mac: nonsense")},
		{name: "field: MAC of the wrong length", text: object("Server", "x", `¤mac: "52:54:00:00:00"`)},
		{name: "field: unknown at the top", text: server("x", 9) + "¤sepc: {}\n"},
		{name: "field: no selector", text: atSpec(object("ServerGroup", "g", "provisioningProfileRef: {name: base}"))},
		{name: "field: empty selector", text: object("ServerGroup", "g", "¤selector: {}", "provisioningProfileRef: {name: base}")},
		{name: "field: no version", text: atSpec(object("ProvisioningProfile", "p", "osImageFormat: raw"))},
		{name: "field: version is a number", text: object("ProvisioningProfile", "p", "¤osVersion: 2.1")},
		{name: "field: checksum", text: object("ProvisioningProfile", "p", `osVersion: "2"`, "¤osImageChecksum: sha256:abc")},
		{name: "field: image is no URL", text: object("ProvisioningProfile", "p", `osVersion: "2"`, "¤osImage: images/os.img")},
		{name: "field: both inline and secret", text: object("ProvisioningProfile", "p", `osVersion: "2"`, "¤userData: {inline: x, secretRef: {name: a, key: b}}")},
		{name: "field: oversize user data", text: object("ProvisioningProfile", "p", `osVersion: "2"`, "userData:", "¤  inline: "+strings.Repeat("x", 70_000))},
		{name: "field: unknown driver", text: object("Datacenter", "d", "¤driver: ipmi")},
		{name: "field: no endpoint", text: atSpec(object("Datacenter", "d", "driver: dcapi"))},
		{name: "field: endpoint with a password", text: object("Datacenter", "d", "driver: dcapi", "¤endpoint: https://u:p@dc.example.com")},
		{name: "field: policy without rules", file: "policies/p.yaml", text: atSpec(object("Policy", "p", "enforcement: Enforce"))},
		{name: "field: policy with an empty list", file: "policies/p.yaml", text: object("Policy", "p", "¤rules: []")},
		{name: "field: policy effect", file: "policies/p.yaml", text: object("Policy", "p", "rules:", "- name: r", `  expression: "true"`, "¤  effect: Refuse", "  message: m")},
		{name: "field: hook without when", file: "hooks/h.yaml", text: atSpec(object("Hook", "h", "script: x"))},
		{name: "field: hook without script", file: "hooks/h.yaml", text: atSpec(object("Hook", "h", "when: Before"))},
	}
	for _, line := range []string{
		"pausd: true", "paused: maybe", "paused: 1", "ipv4: 10.0.0.300", "ipv4: fe80::1", "bootMACAddress: x", "inventory: [a]", "inventory: {sku: 17}",
		"inventory: {sku: yes}", "inventory: {rack: r1}", "reason: 1.10", "bmc: {}", "bmc: {address: 'a b'}", "bmc: {address: x, insecureSkipVerify: sure}", "adopt: {}",
		"adopt: {profile: 7}", "datacenterRef: west", "datacenterRef: {name: West}", "datacenterRef: {name: west, namespace: east}",
	} {
		name, _, _ := strings.Cut(line, "\n")
		cases = append(cases, broken{name: "server: " + name, text: object("Server", "x", `mac: "52:54:00:00:00:09"`, marker+line)})
	}
	cases = append(cases, broken{name: "rollout: paused until, but not paused", text: group("¤rollout:", "  pausedUntil: 2030-01-01T00:00:00Z")})
	for _, line := range []string{
		"maxUnavailable: 0", "maxUnavailable: 110%", "maxUnavailable: half", "maxUnavailable: 1.5", "maxFailures: -1", "maxFailures: none", "onFailure: Stop",
		"onDrift: Wipe", "order: Random", "spreadBy: 'a b'", "waves: {}", "waves: [{name: a}]", "waves: [{name: A, size: 1}]", "waves: [{name: a, size: 1, soak: 5 minutes}]",
		"waves: [{name: a, size: 1}, {name: a, size: 2}]", "waves: [{name: a, size: 1, aproval: Required}]", "pausedUntil: tomorrow",
		"operations: {timeout: 1 hour}", "operations: {retries: 99}",
	} {
		cases = append(cases, broken{name: "rollout: " + line, text: group("rollout:", marker+"  "+line)})
	}
	return cases
}

// metadata that a commit may not give.
func metadata() []broken {
	var cases []broken
	for _, line := range []string{
		"generateName: x-", "ownerReferences: []", "finalizers: [a/b]", `resourceVersion: "1"`, "uid: x", "generation: 1", "managedFields: []", "lables: {a: b}",
		"labels: [a]", "labels: {a: 1}", "labels: {'a b': c}", "labels: {a: 'b c'}", "labels: {stargate.io/fleet: x}", "annotations: {stargate.io/approve: all}",
		"annotations: {x.stargate.io/y: z}", "annotations: {a: true}", "namespace: east", "namespace: 7",
	} {
		cases = append(cases, broken{
			name: "metadata: " + line,
			text: "apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata:\n  name: x\n¤  " + line + "\nspec:\n  mac: \"52:54:00:00:00:09\"\n",
		})
	}
	for _, name := range []string{"A", "a_b", "a b", "-a", "17", "''", strings.Repeat("a", 254)} {
		cases = append(cases, broken{
			name: "name: " + name[:min(len(name), 8)],
			text: "apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata:\n¤  name: " + name + "\nspec:\n  mac: \"52:54:00:00:00:09\"\n",
		})
	}
	return append(cases,
		broken{name: "metadata: none", text: "¤apiVersion: stargate.io/v1alpha1\nkind: Server\nspec: {mac: '52:54:00:00:00:09'}\n"},
		broken{name: "metadata: text", text: "apiVersion: stargate.io/v1alpha1\nkind: Server\n¤metadata: x\nspec: {mac: '52:54:00:00:00:09'}\n"},
		broken{name: "metadata: status", text: server("x", 9) + "¤status: {state: ready}\n"},
	)
}

// references to what the commit does not have.
func references() []broken {
	return []broken{
		{name: "reference: profile", text: object("ServerGroup", "g", "selector: {matchLabels: {role: none}}", "¤provisioningProfileRef: {name: bsae}")},
		{name: "reference: profile of another datacenter", text: object("ServerGroup", "g", "selector: {matchLabels: {role: none}}", "¤provisioningProfileRef: {name: theirs}"),
			more: map[string]string{"datacenters/east/theirs.yaml": object("ProvisioningProfile", "theirs", `osVersion: "1"`)}},
		{name: "reference: datacenter", text: server("x", 9, "¤datacenterRef: {name: wset}")},
		{name: "reference: adopted profile", text: server("x", 9, "¤adopt: {profile: gone}")},
		{name: "reference: script", file: "hooks/h.yaml", text: object("Hook", "h", "when: Before", "¤scriptFile: gone.lua")},
		{name: "reference: script outside", file: "hooks/h.yaml", text: object("Hook", "h", "when: Before", "¤scriptFile: ../../../etc/passwd")},
		{name: "reference: script by absolute path", file: "hooks/h.yaml", text: object("Hook", "h", "when: Before", "¤scriptFile: /etc/passwd")},
		{name: "reference: script that is no script", file: "hooks/h.yaml", text: object("Hook", "h", "when: Before", "¤scriptFile: ../profiles/base.yaml")},
		{name: "reference: script twice", file: "hooks/h.yaml", text: object("Hook", "h", "when: Before", "script: x", "¤scriptFile: h.lua"),
			more: map[string]string{"hooks/h.lua": "x"}},
		{name: "reference: empty script", file: "hooks/h.yaml", text: object("Hook", "h", "when: Before", "¤scriptFile: h.lua"), more: map[string]string{"hooks/h.lua": " \n"}},
		{name: "reference: oversize script", file: "hooks/h.yaml", text: object("Hook", "h", "when: Before", "¤scriptFile: h.lua"),
			more: map[string]string{"hooks/h.lua": "-- " + strings.Repeat("x", 300_000)}},
	}
}

// duplicates of what there may be one of.
func duplicates() []broken {
	pair := func(one, two string) string {
		return object("Server", "one", `mac: "52:54:00:00:00:0a"`, one) + "---\n" + object("Server", "two", `mac: "52:54:00:00:00:0b"`, marker+two)
	}
	return []broken{
		{name: "duplicate: server", text: server("x", 9) + "---\n" + strings.Replace(server("x", 10), "  name", "¤  name", 1)},
		{name: "duplicate: server in another file", file: "datacenters/west/zz.yaml", text: strings.Replace(server("good-0", 500), "  name", "¤  name", 1)},
		{name: "duplicate: shared profile", file: "profiles/zz.yaml", text: strings.Replace(object("ProvisioningProfile", "base", `osVersion: "3"`), "  name", "¤  name", 1)},
		{name: "duplicate: policy", file: "policies/p.yaml", text: policy("p") + "---\n" + strings.Replace(policy("p"), "  name: p\n", "¤  name: p\n", 1)},
		{name: "duplicate: MAC", text: server("x", 9) + "---\n" + object("Server", "other", `¤mac: "52:54:00:00:00:09"`)},
		{name: "duplicate: MAC in another case", text: object("Server", "x", `mac: "52:54:00:00:00:AA"`) + "---\n" + object("Server", "other", `¤mac: "52:54:00:00:00:aa"`)},
		{name: "duplicate: boot MAC", text: pair(`bootMACAddress: "52:54:00:00:00:0c"`, `bootMACAddress: "52:54:00:00:00:0c"`)},
		{name: "duplicate: boot MAC and MAC", text: pair("paused: true", `bootMACAddress: "52:54:00:00:00:0a"`)},
		{name: "duplicate: IPv4", text: pair("ipv4: 10.9.0.1", "ipv4: 10.9.0.1")},
		{name: "duplicate: BMC", text: pair("bmc: {address: 10.9.0.1}", "bmc: {address: 10.9.0.1}")},
		{name: "duplicate: BMC spelled otherwise", text: pair("bmc: {address: 10.9.0.1}", "bmc: {address: 'https://10.9.0.1:443/'}")},
		{name: "duplicate: MAC in another file", file: "datacenters/west/zz.yaml", text: object("Server", "zz", `¤mac: "52:54:00:00:00:00"`)},
		{name: "duplicate: selection", text: server("x", 9) + "---\n" + strings.Replace(server("other", 10), "  name: other\n", "  name: other\n  labels: {role: db, tier: one}\n", 1) + "---\n" +
			object("ServerGroup", "a", "selector: {matchLabels: {role: db}}", "provisioningProfileRef: {name: base}") + "---\n" +
			object("ServerGroup", "b", "¤selector: {matchLabels: {tier: one}}", "provisioningProfileRef: {name: base}")},
	}
}

func policy(name string) string {
	return object("Policy", name, "rules:", "- name: r", `  expression: "true"`, "  effect: Hold", "  message: m")
}

// layout of the repository that does not fit its objects.
func layout() []broken {
	return []broken{
		{name: "layout: no namespace", file: "a.yaml", text: strings.Replace(server("x", 9), "metadata", "¤metadata", 1)},
		{name: "layout: server among profiles", file: "profiles/a.yaml", text: strings.Replace(server("x", 9), "metadata", "¤metadata", 1)},
		{name: "layout: profile in no folder", file: "a.yaml", text: strings.Replace(object("ProvisioningProfile", "x", `osVersion: "1"`), "metadata", "¤metadata", 1)},
		{name: "layout: file beside the datacenters", file: "datacenters/a.yaml", text: strings.Replace(server("x", 9), "metadata", "¤metadata", 1)},
		{name: "layout: namespace of the system", file: "a.yaml", text: strings.Replace(server("x", 9), "  name: x\n", "  name: x\n¤  namespace: kube-system\n", 1)},
		{name: "layout: folder that is no namespace", file: "datacenters/West_1/a.yaml", text: strings.Replace(server("x", 9), "metadata", "¤metadata", 1)},
		{name: "layout: policy with a namespace", file: "policies/p.yaml", text: strings.Replace(policy("p"), "  name: p\n", "  name: p\n¤  namespace: west\n", 1)},
	}
}

// settings in fleet.yaml that are none.
func settings() []broken {
	var cases []broken
	for n, text := range []string{
		"¤defautls: {}\n", "¤defaults: hello\n", "defaults:\n¤  rollouts: {}\n", "defaults:\n  rollout:\n¤    maxUnavailable: none\n", "defaults:\n  rollout:\n¤    onFailure: Stop\n",
		"defaults:\n  rollout:\n¤    wave: []\n", "defaults:\n¤  profile: 7\n", "defaults:\n¤  profile: Not A Name\n", "guard:\n¤  maxRepaves: some\n", "guard:\n¤  maxRepaves: 0%\n",
		"guard:\n¤  maxDelete: 1\n", "¤guard: 5\n", "¤- a\n", "defaults: {}\n¤---\nguard: {}\n", "apiVersion: v1\n¤kind: ConfigMap\n", "¤defaults: {}\ndefaults: {}\n",
	} {
		if strings.HasSuffix(text, "defaults: {}\ndefaults: {}\n") {
			text = "defaults: {}\n¤defaults: {}\n"
		}
		cases = append(cases, broken{name: fmt.Sprintf("settings: %d", n), file: "fleet.yaml", text: text})
	}
	return cases
}

// atSpec marks the line of the spec, where what is missing would be.
func atSpec(text string) string { return strings.Replace(text, "spec:", marker+"spec:", 1) }
