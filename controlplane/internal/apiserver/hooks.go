package apiserver

import (
	"context"
	"fmt"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"
	schedulingrest "k8s.io/kubernetes/pkg/registry/scheduling/rest"
)

// lateHooks are hooks of kube-apiserver that run beside its start and not as
// part of it: both wait for a full second before their first look, which would
// be half of our start. The first keeps the roles of Kubernetes in order, and
// finds them made by package bootstrap; the second makes priority classes for
// pods of the system, of which there are none here.
func lateHooks() (map[string]genericapiserver.PostStartHookFunc, error) {
	hooks := map[string]genericapiserver.PostStartHookFunc{}
	for _, p := range []genericapiserver.PostStartHookProvider{rbacrest.RESTStorageProvider{}, schedulingrest.RESTStorageProvider{}} {
		name, hook, err := p.PostStartHook()
		if err != nil {
			return nil, fmt.Errorf("preparing a hook of kube-apiserver: %w", err)
		}
		hooks[name] = hook
	}
	return hooks, nil
}

// runLate runs the hooks beside the server. One that fails ends up in the
// channel: without roles nothing works, and kube-apiserver would end as well.
func runLate(ctx context.Context, loopback *rest.Config, hooks map[string]genericapiserver.PostStartHookFunc) <-chan error {
	failed := make(chan error, len(hooks))
	for name, hook := range hooks {
		go func() {
			err := hook(genericapiserver.PostStartHookContext{LoopbackClientConfig: loopback, Context: ctx})
			if err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("running hook %s of kube-apiserver: %w", name, err)
			}
		}()
	}
	return failed
}
