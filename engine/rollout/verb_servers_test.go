package rollout_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// servers NAMES [LABEL=VALUE]... [runs=VERSION]: new servers, or others under old names; with role web unless
// said otherwise.
func verbServers(w *world, d *datadriven.TestData) string {
	made := names(bare(d, 0))
	for _, name := range made {
		server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "dc-west", UID: w.uid(), Labels: map[string]string{"role": "web"}}}
		for _, arg := range d.CmdArgs[1:] {
			if arg.Key != "runs" {
				server.Labels[arg.Key] = arg.Vals[0]
				continue
			}
			server.Status.State = v1alpha1.ServerReady
			server.Status.Applied = &v1alpha1.Applied{Profile: "os", Hash: hashOf(arg.Vals[0]), OSVersion: arg.Vals[0], At: metav1.NewTime(w.now)}
		}
		w.servers[name] = server
	}
	return fmt.Sprintf("%d servers", len(made))
}
