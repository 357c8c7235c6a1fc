package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	// leaseName of the election.
	leaseName = "stargate"
	// fencePolicy refuses what a leader that has lost the lead still wants to begin.
	fencePolicy = "epoch.stargate.io"
	// fencePace is how long after a look at the fence the next one is due.
	fencePace = 50 * time.Millisecond
)

// lead is the election as this process takes part in it.
type lead struct {
	lock    *ownLease
	clients kubernetes.Interface
	probe   client.Client
	logger  logr.Logger
	lost    context.CancelCauseFunc
	// elects: there is an election at all.
	elects bool
}

// ownLease is a lock that never gives back what another holds. A leader that was paused for long and
// cannot reach the API server in the moment in which it wakes still believes that it leads, and would
// release the Lease that another has taken meanwhile.
type ownLease struct {
	*resourcelock.LeaseLock
	mu     sync.Mutex
	holder string
}

// Get implements resourcelock.Interface.
func (l *ownLease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.LeaseLock.Get(ctx)
	if err == nil {
		l.mu.Lock()
		l.holder = record.HolderIdentity
		l.mu.Unlock()
	}
	return record, raw, err
}

// Update implements resourcelock.Interface.
func (l *ownLease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	l.mu.Lock()
	holder := l.holder
	l.mu.Unlock()
	if record.HolderIdentity == "" && holder != l.Identity() {
		return nil
	}
	return l.LeaseLock.Update(ctx, record)
}

// newLead takes part in the election under the process's name, by which its intents are known too.
func newLead(base *rest.Config, options Options, process string) (*lead, error) {
	config := rest.CopyConfig(base)
	if options.RenewDeadline > 0 {
		config.Timeout = options.RenewDeadline / 2
	} else {
		config.Timeout = 5 * time.Second
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the election's client: %w", err)
	}
	lock := &ownLease{LeaseLock: &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: options.LeaderElectionNamespace, Name: leaseName},
		Labels:    map[string]string{v1alpha1.LabelLease: "leader"}, // by which the policy finds it
		Client:    clients.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: process},
	}}
	return &lead{lock: lock, clients: clients, logger: options.Logger, elects: options.LeaderElect}, nil
}

// epoch waits until the API server refuses the intents of every other leader, and gives the number that
// this one's carry; zero where no such policy is bound to the Lease.
func (l *lead) epoch(ctx context.Context) (int64, error) {
	namespace := l.lock.LeaseMeta.Namespace
	if !l.elects {
		return 0, nil
	}
	bound, err := l.bound(ctx, namespace)
	if err != nil || !bound {
		l.logger.Info("no admission policy refuses the intents of a leader that has lost the lead; see config/admission/epoch.yaml",
			"policy", fencePolicy, "lease", namespace+"/"+leaseName, "error", fmt.Sprint(err))
		return 0, nil // who may not see the binding is not fenced, and says so
	}
	for {
		found, err := l.ask(ctx, namespace)
		switch {
		case err != nil:
			return 0, err
		case found != nil && found.lease == namespace+"/"+leaseName && found.holder == l.lock.Identity():
			return found.epoch, nil
		}
		if err := l.stillHeld(ctx); err != nil {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(fencePace):
		}
	}
}

// bound tells whether the policy is bound with the Lease of this election.
func (l *lead) bound(ctx context.Context, namespace string) (bool, error) {
	bindings, err := l.clients.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("looking for the binding of %s: %w", fencePolicy, err)
	}
	for i := range bindings.Items {
		spec := &bindings.Items[i].Spec
		if ref := spec.ParamRef; spec.PolicyName == fencePolicy && ref != nil && ref.Namespace == namespace && ref.Selector != nil && ref.Selector.MatchLabels[v1alpha1.LabelLease] != "" {
			return true, nil
		}
	}
	return false, nil
}

// stillHeld fails where another holds the Lease.
func (l *lead) stillHeld(ctx context.Context) error {
	lease, err := l.clients.CoordinationV1().Leases(l.lock.LeaseMeta.Namespace).Get(ctx, leaseName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the Lease: %w", err)
	}
	if holder := lease.Spec.HolderIdentity; holder == nil || *holder != l.lock.Identity() {
		return errors.New("another holds the Lease")
	}
	return nil
}

// fence is what the policy says that it goes by.
type fence struct {
	lease, holder string
	epoch         int64
}

var fenceText = regexp.MustCompile(`fence lease=(\S+) holder=(\S*) epoch=(\d+)`)

// ask the policy which Lease it goes by, with an Operation that is never made; nil where it lets it pass.
func (l *lead) ask(ctx context.Context, namespace string) (*fence, error) {
	probe := &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "fence-probe", Annotations: map[string]string{v1alpha1.AnnotationFenceProbe: "yes"}},
		Spec:       v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "fence-probe"}, Operation: v1alpha1.ActionInspect},
	}
	err := l.probe.Create(ctx, probe, client.DryRunAll)
	if err == nil {
		return nil, nil
	}
	match := fenceText.FindStringSubmatch(err.Error())
	if match == nil {
		return nil, fmt.Errorf("asking %s: %w", fencePolicy, err)
	}
	epoch, err := strconv.ParseInt(match[3], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("reading the epoch of %s: %w", fencePolicy, err)
	}
	return &fence{lease: match[1], holder: match[2], epoch: epoch}, nil
}

// refused tells whether the API server refused an intent because another leads, and ends this process if
// so.
func (l *lead) refused(err error) bool {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), fencePolicy) {
		return false
	}
	l.lost(fmt.Errorf("losing the lead: %w", err))
	return true
}
