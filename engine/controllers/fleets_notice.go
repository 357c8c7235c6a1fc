package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/notice"
)

// secretFresh is how long a secret of push notices is used before it is read again: who knows none must
// not be able to have the API server asked at each try.
const secretFresh = 10 * time.Second

// notices takes push notices in every replica. The one that leads has the Fleet look at once; any other
// writes the annotation stargate.io/requestedAt, which the leader sees. Where it may not (the ClusterRole
// stargate-fleet-notice is not bound), it says that it is unavailable: git servers that send again reach
// the leader in the end, and the interval finds what none told of.
type notices struct {
	address   string
	client    client.Client
	live      client.Reader
	clock     clock.Clock
	fleets    *Fleets
	namespace string

	mu      sync.Mutex
	secrets map[string]pushSecret
}

type pushSecret struct {
	value []byte
	at    time.Time
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (n *notices) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (n *notices) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", n.address)
	if err != nil {
		return fmt.Errorf("listening for push notices: %w", err)
	}
	server := notice.Server(notice.NewHandler(n))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	ctrl.Log.Info("taking push notices", "address", listener.Addr().String())
	select {
	case err := <-ended:
		return fmt.Errorf("taking push notices: %w", err)
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := server.Shutdown(limited); err != nil {
		_ = server.Close() // what is left is somebody's slow body
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("taking push notices: %w", err)
	}
	return nil
}

// Fleet implements notice.Fleets.
func (n *notices) Fleet(ctx context.Context, name string) (notice.Fleet, bool, error) {
	if !n.fleets.works(name) {
		return notice.Fleet{}, false, nil
	}
	object := &v1alpha1.Fleet{}
	if err := n.client.Get(ctx, types.NamespacedName{Name: name}, object); err != nil {
		return notice.Fleet{}, false, client.IgnoreNotFound(err)
	}
	if object.Spec.PushSecretRef == nil {
		return notice.Fleet{}, false, nil
	}
	secret, err := n.secret(ctx, object.Spec.PushSecretRef.Name)
	if err != nil {
		return notice.Fleet{}, false, err
	}
	return notice.Fleet{Secret: secret, Follows: followed(object)}, true, nil
}

// secret of a name, empty where there is none.
func (n *notices) secret(ctx context.Context, name string) ([]byte, error) {
	n.mu.Lock()
	known, ok := n.secrets[name]
	n.mu.Unlock()
	if ok && n.clock.Since(known.at) < secretFresh {
		return known.value, nil
	}
	var secret corev1.Secret
	if err := n.live.Get(ctx, types.NamespacedName{Namespace: n.namespace, Name: name}, &secret); err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Secret %s/%s for spec.pushSecretRef: %w", n.namespace, name, err)
	}
	value := []byte(strings.TrimSpace(string(secret.Data["token"])))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.secrets[name] = pushSecret{value: value, at: n.clock.Now()}
	return value, nil
}

// followed is the ref whose move matters; empty where any may.
func followed(object *v1alpha1.Fleet) string {
	ref := object.Spec.Ref
	switch {
	case ref == nil:
		return "refs/heads/main"
	case ref.Branch != "":
		return "refs/heads/" + ref.Branch
	case ref.Tag != "":
		return "refs/tags/" + ref.Tag
	}
	return ""
}

// Notice implements notice.Fleets.
func (n *notices) Notice(ctx context.Context, name string) error {
	if n.fleets.Notice(name) {
		return nil
	}
	object := &v1alpha1.Fleet{}
	object.Name = name
	at := n.clock.Now().UTC().Format(time.RFC3339Nano)
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRequestedAt, at)
	if err := n.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return fmt.Errorf("asking the leader to look: %w", err)
	}
	return nil
}
