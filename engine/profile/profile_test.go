package profile_test

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/profile"
)

func TestHashCoversWhatReachesTheServer(t *testing.T) {
	spec := v1alpha1.ProvisioningProfileSpec{OSVersion: "2.0.0", OSImage: "https://images.example.com/a.img"}
	base := profile.Hash(&spec, profile.Documents{UserData: "#cloud-config"})
	for name, change := range map[string]func(*v1alpha1.ProvisioningProfileSpec, *profile.Documents){
		"version":  func(s *v1alpha1.ProvisioningProfileSpec, _ *profile.Documents) { s.OSVersion = "2.0.1" },
		"image":    func(s *v1alpha1.ProvisioningProfileSpec, _ *profile.Documents) { s.OSImage += "x" },
		"checksum": func(s *v1alpha1.ProvisioningProfileSpec, _ *profile.Documents) { s.OSImageChecksum = "sha256:00" },
		"format":   func(s *v1alpha1.ProvisioningProfileSpec, _ *profile.Documents) { s.OSImageFormat = "raw" },
		"userData": func(_ *v1alpha1.ProvisioningProfileSpec, d *profile.Documents) { d.UserData += "\n" },
		"moved": func(_ *v1alpha1.ProvisioningProfileSpec, d *profile.Documents) {
			d.MetaData, d.UserData = d.UserData, ""
		},
	} {
		changed, documents := spec, profile.Documents{UserData: "#cloud-config"}
		change(&changed, &documents)
		if profile.Hash(&changed, documents) == base {
			t.Errorf("%s: the hash did not change", name)
		}
	}
}

func TestRender(t *testing.T) {
	server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: "server-001", Labels: map[string]string{"rack": "r1"}},
		Spec: v1alpha1.ServerSpec{IPv4: "10.0.1.5"}}
	for name, test := range map[string]struct{ text, want, problem string }{
		"plain":         {text: "hostname: x", want: "hostname: x"},
		"fields":        {text: "{{.server.name}} {{.server.ipv4}} {{.server.labels.rack}}", want: "server-001 10.0.1.5 r1"},
		"unknown field": {text: "{{.server.nam}}", problem: "rendering spec.userData"},
		"broken":        {text: "{{.server", problem: "rendering spec.userData"},
		"without end":   {text: "{{range 100000000}}xxxxxxxxxxxxxxxx{{end}}", problem: "range is allowed over .server.labels only"},
		"too long":      {text: strings.Repeat("x", 300<<10), problem: "longer than 256 KiB"},
		"labels":        {text: "{{range $k, $v := .server.labels}}{{$k}}={{$v}};{{end}}", want: "rack=r1;"},
		"calls itself":  {text: `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, problem: "not allowed"},
		"doubles":       {text: `{{$x := "xxxxxxxxxx"}}` + strings.Repeat("{{$x = print $x $x}}", 40), problem: "more than 1 MiB"},
		"escapes":       {text: `{{$x := "\\"}}` + strings.Repeat("{{$x = js $x}}", 40), problem: "more than 1 MiB"},
		"wide":          {text: `{{$x := printf "%1000000d" 1}}`, problem: "to a width of 999"},
		"uses again":    {text: `{{$x := printf "%[1]s%[1]s" .server.name}}`, problem: "without indexes"},
		"functions":     {text: `{{printf "%-12s|%03d|%%" .server.name 7}}`, want: "server-001  |007|%"},
		"hidden count":  {text: "{{if true}}{{$n := 100000000}}{{range $n}}{{end}}{{end}}", problem: "range is allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			image, err := profile.Render(&v1alpha1.ProvisioningProfileSpec{}, profile.Documents{UserData: test.text}, server)
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Fatalf("got %v, want an error with %q", err, test.problem)
				}
				return
			}
			if err != nil || string(image.UserData) != test.want {
				t.Fatalf("got %q, %v; want %q", image.UserData, err, test.want)
			}
		})
	}
}

func TestErrorWithoutQuotes(t *testing.T) {
	for text, line := range map[string]string{
		"a: b\npassword: {{ hunter2 }}":                                    "line 2",
		"password: hunter2 {{ .server.hunter2 }}":                          "line 1",
		"{{ range .hunter2 }}{{ end }}":                                    "line 1",
		"{{ if true }}hunter2":                                             "line 1",
		"a\nb\n{{ if .server.name }}{{ template \"hunter2\" }}{{ end }}\n": "line 3",
	} {
		_, err := profile.Render(&v1alpha1.ProvisioningProfileSpec{}, profile.Documents{MetaData: text}, &v1alpha1.Server{})
		var failed *profile.Error
		if !errors.As(err, &failed) {
			t.Fatalf("%q: got %v, want an Error", text, err)
		}
		if said := failed.Unquoted(); strings.Contains(said, "hunter2") || !strings.Contains(said, "spec.metaData") || !strings.Contains(said, line) {
			t.Errorf("%q: it says %q (of %v)", text, said, err)
		}
	}
}

func TestCheckNeedsNoServer(t *testing.T) {
	for text, wrong := range map[string]bool{
		"hostname: {{.server.name}}": false, "{{.server.labels.rack}}": false, "": false,
		"{{.server": true, "{{range 100000000}}x{{end}}": true, "{{nothing}}": true,
	} {
		spec := &v1alpha1.ProvisioningProfileSpec{NetworkData: &v1alpha1.DataSource{Inline: text}}
		var failed *profile.Error
		if err := profile.Check(spec); (err != nil) != wrong || wrong && (!errors.As(err, &failed) || failed.Document != "networkData") {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if err := profile.Check(&v1alpha1.ProvisioningProfileSpec{UserData: &v1alpha1.DataSource{SecretRef: &v1alpha1.SecretKeyReference{Name: "a", Key: "b"}}}); err != nil {
		t.Errorf("of a Secret nothing is known here: %v", err)
	}
}
