# METADATA
# title: Deletes in protected namespaces need the people who own them
# description: |
#   data.protected.namespaces names the namespaces and their approvers. Deleting or evicting a workload there waits for
#   one of them, whoever asks; other deletes there are held where something else allows them. The namespace itself is
#   not deleted through the gateway.
package rules.protected

_workloads("") := ["configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "services"]

_workloads("apps") := ["daemonsets", "deployments", "replicasets", "statefulsets"]

_workloads("autoscaling") := ["horizontalpodautoscalers"]

_workloads("batch") := ["cronjobs", "jobs"]

_workloads("networking.k8s.io") := ["ingresses"]

_workloads("policy") := ["poddisruptionbudgets"]

_is_workload if input.request.resource in _workloads(input.request.group)

hold contains {
	"id": "delete",
	"reason": "deleting {request.resource} in {request.namespace} needs its owners",
	"approvers": owner.approvers,
	"quorum": 1,
} if {
	input.request.verb == "delete"
	input.request.scope == "namespaced"
	_is_workload
	owner := data.protected.namespaces[input.request.namespace]
}

hold contains {
	"id": "evict",
	"reason": "evicting pods in {request.namespace} needs its owners",
	"approvers": owner.approvers,
	"quorum": 1,
} if {
	input.request.resource == "pods/eviction"
	input.request.verb == "create"
	input.request.scope == "namespaced"
	owner := data.protected.namespaces[input.request.namespace]
}

hold contains {
	"id": "delete-other",
	"reason": "deleting {request.resource} in {request.namespace} needs its owners",
	"approvers": owner.approvers,
	"quorum": 1,
	"only_if_allowed": true,
} if {
	input.request.verb == "delete"
	input.request.scope == "namespaced"
	not _is_workload
	owner := data.protected.namespaces[input.request.namespace]
}

deny contains {
	"id": "delete-collection",
	"reason": "deleting all {request.resource} of {request.namespace} at once cannot be bound to an approval",
	"instead": "delete them by name: each delete is held for the owners",
} if {
	input.request.verb == "deletecollection"
	input.request.scope == "namespaced"
	data.protected.namespaces[input.request.namespace]
}

deny contains {
	"id": "delete-namespace",
	"reason": "the namespace {request.name} is protected",
	"instead": "delete what is in it by name: each delete is held for the owners",
} if {
	input.request.verb == "delete"
	input.request.group == ""
	input.request.resource == "namespaces"
	data.protected.namespaces[input.request.name]
}

deny contains {
	"id": "delete-namespaces",
	"reason": "deleting namespaces as a collection would include protected ones",
	"instead": "delete a namespace by name",
} if {
	input.request.verb == "deletecollection"
	input.request.group == ""
	input.request.resource == "namespaces"
}

# Finalizing is the second half of deleting a namespace.
deny contains {"id": "finalize-namespace", "reason": "the namespace {request.name} is protected"} if {
	input.request.resource == "namespaces/finalize"
	input.request.group == ""
	input.request.verb in {"update", "patch"}
	data.protected.namespaces[input.request.name]
}
