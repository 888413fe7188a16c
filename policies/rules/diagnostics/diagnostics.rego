# METADATA
# title: Read-only diagnostics pass without friction
# description: |
#   Plain resources by name and group, with the verbs that read them. Never by HTTP method: an exec over WebSocket is a
#   GET, and so is the proxy to a kubelet. Nonresource paths (/debug/pprof, /logs, /metrics) are not among them.
package rules.diagnostics

import data.lib.callers

_reads := {"get", "list", "watch"}

_readable := {
	"": {
		"bindings", "componentstatuses", "configmaps", "endpoints", "events", "limitranges", "namespaces",
		"namespaces/status", "nodes", "nodes/status", "persistentvolumeclaims", "persistentvolumeclaims/status",
		"persistentvolumes", "pods", "pods/status", "podtemplates", "replicationcontrollers",
		"replicationcontrollers/scale", "resourcequotas", "resourcequotas/status", "secrets", "serviceaccounts",
		"services", "services/status",
	},
	"admissionregistration.k8s.io": {
		"mutatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings",
		"validatingwebhookconfigurations",
	},
	"apiextensions.k8s.io": {"customresourcedefinitions", "customresourcedefinitions/status"},
	"apiregistration.k8s.io": {"apiservices", "apiservices/status"},
	"apps": {
		"controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
		"deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets",
		"statefulsets/scale", "statefulsets/status",
	},
	"autoscaling": {"horizontalpodautoscalers", "horizontalpodautoscalers/status"},
	"batch": {"cronjobs", "cronjobs/status", "jobs", "jobs/status"},
	"certificates.k8s.io": {"certificatesigningrequests"},
	"coordination.k8s.io": {"leases"},
	"discovery.k8s.io": {"endpointslices"},
	"events.k8s.io": {"events"},
	"flowcontrol.apiserver.k8s.io": {"flowschemas", "prioritylevelconfigurations"},
	"metrics.k8s.io": {"nodes", "pods"},
	"networking.k8s.io": {
		"ingressclasses", "ingresses", "ingresses/status", "ipaddresses", "networkpolicies",
		"servicecidrs",
	},
	"node.k8s.io": {"runtimeclasses"},
	"policy": {"poddisruptionbudgets", "poddisruptionbudgets/status"},
	"rbac.authorization.k8s.io": {"clusterrolebindings", "clusterroles", "rolebindings", "roles"},
	"scheduling.k8s.io": {"priorityclasses"},
	"storage.k8s.io": {"csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"},
}

allow contains {"id": "read", "reason": "read-only diagnostics"} if {
	_reader
	input.request.verb in _reads
	input.request.resource in _readable[input.request.group]
}

allow contains {
	"id": "read-custom",
	"reason": "read-only diagnostics of a custom resource that data.diagnostics names",
} if {
	_reader
	input.request.verb in _reads
	input.request.resource in data.diagnostics.custom_resources[input.request.group]
}

allow contains {"id": "logs", "reason": "the caller may read the logs of pods"} if {
	callers.in_any_of(input.user.groups, data.diagnostics.log_groups)
	input.request.scope == "namespaced"
	input.request.verb == "get"
	input.request.group == ""
	input.request.resource == "pods/log"
}

_reader if data.diagnostics.everybody

_reader if callers.in_any_of(input.user.groups, data.diagnostics.read_groups)
