package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

const (
	operationTimeout = 30 * time.Second
	conflictTries    = 10
)

func names(counts map[string]int) string {
	return strings.Join(slices.Sorted(maps.Keys(counts)), ", ")
}

// verbs are the calls of one kind's typed client.
type verbs[T meta.Object] interface {
	Create(context.Context, T, meta.CreateOptions) (T, error)
	Get(context.Context, string, meta.GetOptions) (T, error)
	Update(context.Context, T, meta.UpdateOptions) (T, error)
	Patch(context.Context, string, types.PatchType, []byte, meta.PatchOptions, ...string) (T, error)
	Delete(context.Context, string, meta.DeleteOptions) error
}

// life creates, reads, updates, patches in three ways and deletes one object: what was stored at the end, and how often
// an update met a conflict that it should not have met.
func life[T meta.Object](client verbs[T], object T) (facts, error) {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	name := object.GetName()
	created, err := client.Create(ctx, object, meta.CreateOptions{FieldManager: "clients"})
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	stale := created
	updated := false
	for range conflictTries {
		read, err := client.Get(ctx, name, meta.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("get: %w", err)
		}
		read.SetLabels(map[string]string{"updated": "yes"})
		if _, err = client.Update(ctx, read, meta.UpdateOptions{FieldManager: "clients"}); err == nil {
			updated = true
			break
		}
		if !apierrors.IsConflict(err) { // a controller was there in between
			return nil, fmt.Errorf("update: %w", err)
		}
	}
	if !updated {
		return nil, errors.New("update: a conflict each time")
	}
	stale.SetLabels(map[string]string{"updated": "no"})
	_, conflict := client.Update(ctx, stale, meta.UpdateOptions{})
	patches := []struct {
		kind types.PatchType
		body string
	}{
		{types.StrategicMergePatchType, `{"metadata":{"labels":{"strategic":"yes"}}}`},
		{types.MergePatchType, `{"metadata":{"labels":{"merge":"yes"}}}`},
		{types.JSONPatchType, `[{"op":"add","path":"/metadata/labels/json","value":"yes"}]`},
	}
	last := created
	for _, patch := range patches {
		last, err = client.Patch(ctx, name, patch.kind, []byte(patch.body), meta.PatchOptions{FieldManager: "clients"})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", patch.kind, err)
		}
	}
	labels, err := json.Marshal(last.GetLabels())
	if err != nil {
		return nil, err
	}
	stored, err := content(last)
	if err != nil {
		return nil, err
	}
	background := meta.DeletePropagationBackground
	if err := client.Delete(ctx, name, meta.DeleteOptions{PropagationPolicy: &background}); err != nil {
		return nil, fmt.Errorf("delete: %w", err)
	}
	missing := client.Delete(ctx, "missing", meta.DeleteOptions{})
	return facts{
		"labels": string(labels), "stored": stored, "conflict": apierrors.IsConflict(conflict),
		"missing": fmt.Sprint(missing),
	}, nil
}

// content is an object without its metadata and status, which differ by chance.
func content(object any) (string, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return "", err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return "", err
	}
	delete(fields, "metadata")
	delete(fields, "status")
	if spec, ok := fields["spec"].(map[string]any); ok {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	text, err = json.Marshal(fields)
	return string(text), err
}

func named(name string) meta.ObjectMeta { return meta.ObjectMeta{Name: "go-" + name} }

func pod() core.PodTemplateSpec {
	return core.PodTemplateSpec{
		ObjectMeta: meta.ObjectMeta{Labels: map[string]string{"app": "go"}},
		Spec:       core.PodSpec{Containers: []core.Container{{Name: "c", Image: "example.test/go:1"}}},
	}
}

func runKinds(client kubernetes.Interface, namespace string, counter *counter) {
	selector := &meta.LabelSelector{MatchLabels: map[string]string{"app": "go"}}
	job := batch.JobSpec{Template: pod()}
	job.Template.Spec.RestartPolicy = core.RestartPolicyNever
	half := intstr.FromString("50%")
	every := make([]byte, 256)
	for index := range every {
		every[index] = byte(index)
	}
	kinds := []struct {
		name string
		life func() (facts, error)
	}{
		{"ConfigMap", func() (facts, error) {
			return life(client.CoreV1().ConfigMaps(namespace), &core.ConfigMap{ObjectMeta: named("map"),
				Data: map[string]string{"text": "Ä\u2028\n"}, BinaryData: map[string][]byte{"bytes": every}})
		}},
		{"Secret", func() (facts, error) {
			return life(client.CoreV1().Secrets(namespace), &core.Secret{ObjectMeta: named("secret"),
				Data: map[string][]byte{"bytes": every}})
		}},
		{"Service", func() (facts, error) {
			return life(client.CoreV1().Services(namespace), &core.Service{ObjectMeta: named("service"),
				Spec: core.ServiceSpec{Selector: selector.MatchLabels, Ports: []core.ServicePort{{Port: 80}}}})
		}},
		{"ServiceAccount", func() (facts, error) {
			return life(client.CoreV1().ServiceAccounts(namespace), &core.ServiceAccount{ObjectMeta: named("account")})
		}},
		{"ResourceQuota", func() (facts, error) {
			return life(client.CoreV1().ResourceQuotas(namespace), &core.ResourceQuota{ObjectMeta: named("quota")})
		}},
		{"Deployment", func() (facts, error) {
			return life(client.AppsV1().Deployments(namespace), &apps.Deployment{ObjectMeta: named("deployment"),
				Spec: apps.DeploymentSpec{Selector: selector, Template: pod()}})
		}},
		{"StatefulSet", func() (facts, error) {
			return life(client.AppsV1().StatefulSets(namespace), &apps.StatefulSet{ObjectMeta: named("stateful"),
				Spec: apps.StatefulSetSpec{Selector: selector, Template: pod(), ServiceName: "go"}})
		}},
		{"Job", func() (facts, error) {
			// Unselected, the selector would be the object's uid.
			manual, spec := true, job
			spec.ManualSelector, spec.Selector = &manual, selector
			return life(client.BatchV1().Jobs(namespace), &batch.Job{ObjectMeta: named("job"), Spec: spec})
		}},
		{"CronJob", func() (facts, error) {
			return life(client.BatchV1().CronJobs(namespace), &batch.CronJob{ObjectMeta: named("cron"),
				Spec: batch.CronJobSpec{Schedule: "0 3 * * *", JobTemplate: batch.JobTemplateSpec{Spec: job}}})
		}},
		{"Role", func() (facts, error) {
			return life(client.RbacV1().Roles(namespace), &rbac.Role{ObjectMeta: named("role"),
				Rules: []rbac.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}})
		}},
		{"NetworkPolicy", func() (facts, error) {
			return life(client.NetworkingV1().NetworkPolicies(namespace), &networking.NetworkPolicy{ObjectMeta: named("network"),
				Spec: networking.NetworkPolicySpec{PodSelector: *selector}})
		}},
		{"PodDisruptionBudget", func() (facts, error) {
			return life(client.PolicyV1().PodDisruptionBudgets(namespace), &policy.PodDisruptionBudget{ObjectMeta: named("budget"),
				Spec: policy.PodDisruptionBudgetSpec{Selector: selector, MinAvailable: &half}})
		}},
	}
	for _, kind := range kinds {
		seen, err := kind.life()
		report(kind.name, seen, err)
	}
	sent, received := counter.mediaTypes()
	report("media types", facts{"sent": sent, "received": received}, nil)
}
