# METADATA
# title: Read-only diagnostics pass without friction
# description: |
#   Plain resources by name and group, with the verbs that read them. Never by HTTP method: an exec over WebSocket is a
#   GET, and so is the proxy to a kubelet. Nonresource paths (/debug/pprof, /logs, /metrics) are not among them.
package rules.diagnostics

import data.lib.callers

# A function of the group, not an object of sets: WebAssembly builds a constant anew at every decision, so only the list
# of the group that is asked for is built.
_readable("") := [
	"bindings", "componentstatuses", "configmaps", "endpoints", "events", "limitranges", "namespaces",
	"namespaces/status", "nodes", "nodes/status", "persistentvolumeclaims", "persistentvolumeclaims/status",
	"persistentvolumes", "pods", "pods/status", "podtemplates", "replicationcontrollers",
	"replicationcontrollers/scale", "resourcequotas", "resourcequotas/status", "secrets", "serviceaccounts",
	"services", "services/status",
]

_readable("admissionregistration.k8s.io") := [
	"mutatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings",
	"validatingwebhookconfigurations",
]

_readable("apiextensions.k8s.io") := ["customresourcedefinitions", "customresourcedefinitions/status"]

_readable("apiregistration.k8s.io") := ["apiservices", "apiservices/status"]

_readable("apps") := [
	"controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
	"deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets",
	"statefulsets/scale", "statefulsets/status",
]

_readable("autoscaling") := ["horizontalpodautoscalers", "horizontalpodautoscalers/status"]

_readable("batch") := ["cronjobs", "cronjobs/status", "jobs", "jobs/status"]

_readable("certificates.k8s.io") := ["certificatesigningrequests"]

_readable("coordination.k8s.io") := ["leases"]

_readable("discovery.k8s.io") := ["endpointslices"]

_readable("events.k8s.io") := ["events"]

_readable("flowcontrol.apiserver.k8s.io") := ["flowschemas", "prioritylevelconfigurations"]

_readable("metrics.k8s.io") := ["nodes", "pods"]

_readable("networking.k8s.io") := [
	"ingressclasses", "ingresses", "ingresses/status", "ipaddresses", "networkpolicies",
	"servicecidrs",
]

_readable("node.k8s.io") := ["runtimeclasses"]

_readable("policy") := ["poddisruptionbudgets", "poddisruptionbudgets/status"]

_readable("rbac.authorization.k8s.io") := ["clusterrolebindings", "clusterroles", "rolebindings", "roles"]

_readable("scheduling.k8s.io") := ["priorityclasses"]

_readable("storage.k8s.io") := [
	"csidrivers", "csinodes", "csistoragecapacities", "storageclasses",
	"volumeattachments",
]

allow contains {"id": "read", "reason": "read-only diagnostics"} if {
	_reads
	input.request.resource in _readable(input.request.group)
}

allow contains {
	"id": "read-custom",
	"reason": "read-only diagnostics of a custom resource that data.diagnostics names",
} if {
	_reads
	input.request.resource in data.diagnostics.custom_resources[input.request.group]
}

allow contains {"id": "logs", "reason": "the caller may read the logs of pods"} if {
	input.request.resource == "pods/log"
	input.request.group == ""
	input.request.verb == "get"
	input.request.scope == "namespaced"
	callers.in_any_of(input.user.groups, data.diagnostics.log_groups)
}

default _reads := false

_reads if {
	input.request.verb in ["get", "list", "watch"]
	_reader
}

_reader if data.diagnostics.everybody

_reader if callers.in_any_of(input.user.groups, data.diagnostics.read_groups)
