# METADATA
# title: Surfaces that hand out the cluster itself
# description: |
#   What mints a credential that goes round the gateway is denied to everybody. What gives rights or the node to its
#   user is denied to everybody whom data.administrators.unrestricted_groups does not name. Objects are judged by the
#   resource of the request and by what would be stored, so a patch counts like a create.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/
package rules.surfaces

import data.lib.callers
import data.lib.workloads

_writes := ["create", "update", "patch", "delete", "deletecollection"]

_stores := ["create", "update", "patch"]

# Writes are what is restricted. Why there is a default: in WebAssembly a rule is evaluated once a decision only where it
# is defined, and one that is undefined again at every use.
default _restricted_write := false

_restricted_write if {
	input.request.verb in _writes
	not callers.in_any_of(input.user.groups, data.administrators.unrestricted_groups)
}

# Nobody: credentials that go round the gateway

# The kubelet is called with the API server's own credential: a GET of nodes/proxy runs commands in every pod.
deny contains {
	"id": "proxy",
	"reason": "{request.resource} reaches a kubelet, pod or service with the API server's own credential",
	"instead": "kubectl logs, kubectl get, or kubectl port-forward where a rule allows it",
} if {
	endswith(input.request.resource, "/proxy")
}

# A dry run mints a real token as well.
deny contains {"id": "token-request", "reason": "a service account token would go round the gateway"} if {
	input.request.resource == "serviceaccounts/token"
}

deny contains {"id": "token-secret", "reason": "a Secret of this type is filled with a credential of the cluster"} if {
	input.request.resource == "secrets"
	input.request.verb in _stores
	input.request.object.type in {"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"}
}

deny contains {"id": "certificate", "reason": "a certificate signed by the cluster would go round the gateway"} if {
	input.request.group == "certificates.k8s.io"
	input.request.verb in _writes
}

# Restricted: rights over the cluster

deny contains {
	"id": "rbac",
	"reason": "writing {request.resource} hands out rights in the cluster",
	"instead": "ask an administrator for the role",
} if {
	_restricted_write
	input.request.group == "rbac.authorization.k8s.io"
}

deny contains {"id": "cluster-identity", "reason": "{request.name} maps identities to rights in the cluster"} if {
	_restricted_write
	input.request.resource == "configmaps"
	input.request.namespace == "kube-system"
	input.request.name in {"aws-auth", "extension-apiserver-authentication"}
}

# A deletecollection carries no name.
deny contains {
	"id": "cluster-identity-collection",
	"reason": "it would include the maps of identities to rights in the cluster",
} if {
	_restricted_write
	input.request.verb == "deletecollection"
	input.request.resource == "configmaps"
	input.request.namespace == "kube-system"
}

deny contains {"id": "admission", "reason": "{request.resource} decide about or see every request of the cluster"} if {
	_restricted_write
	input.request.group == "admissionregistration.k8s.io"
}

deny contains {"id": "api-service", "reason": "an APIService takes over a part of the cluster's API"} if {
	_restricted_write
	input.request.group == "apiregistration.k8s.io"
}

deny contains {
	"id": "crd-conversion",
	"reason": "a conversion webhook sees and changes every object of the resource",
} if {
	_restricted_write
	input.request.verb in _stores
	input.request.group == "apiextensions.k8s.io"
	input.request.object.spec.conversion.strategy == "Webhook"
}

deny contains {"id": "flow-control", "reason": "{request.resource} decide whose requests the API server serves"} if {
	_restricted_write
	input.request.group == "flowcontrol.apiserver.k8s.io"
}

# Restricted: traffic and storage of others

deny contains {"id": "endpoints", "reason": "{request.resource} send the traffic of a service elsewhere"} if {
	_restricted_write
	input.request.resource in {"endpoints", "endpointslices"}
}

# CVE-2020-8554.
deny contains {"id": "external-ips", "reason": "external IPs take over traffic of the cluster"} if {
	_restricted_write
	input.request.verb in _stores
	input.request.resource == "services"
	count(input.request.object.spec.externalIPs) > 0
}

deny contains {
	"id": "storage",
	"reason": "{request.resource} reach the nodes' disks or addresses of the control plane",
} if {
	_restricted_write
	_storage
}

_storage if input.request.resource in {"persistentvolumes", "persistentvolumes/status"}

_storage if input.request.group == "storage.k8s.io"

deny contains {"id": "node-address", "reason": "a node's object decides where the API server connects to"} if {
	_restricted_write
	input.request.resource == "nodes/status"
}

deny contains {"id": "node-object", "reason": "a node's object decides where the API server connects to"} if {
	_restricted_write
	input.request.verb == "create"
	input.request.resource == "nodes"
}

# Restricted: pods that are more than pods

deny contains {
	"id": "ephemeral-container",
	"reason": "an ephemeral container runs inside a pod of somebody else",
	"instead": "kubectl logs and kubectl describe",
} if {
	_restricted_write
	input.request.resource == "pods/ephemeralcontainers"
}

deny contains {"id": "binding", "reason": "a binding puts a pod on a node of the caller's choice"} if {
	_restricted_write
	input.request.resource in {"bindings", "pods/binding"}
}

deny contains {"id": "host-network", "reason": "pods may not use the node's network"} if {
	_restricted_write
	_pod_spec.hostNetwork == true
}

deny contains {"id": "host-pid", "reason": "pods may not share the node's process table"} if {
	_restricted_write
	_pod_spec.hostPID == true
}

deny contains {"id": "host-ipc", "reason": "pods may not share the node's memory"} if {
	_restricted_write
	_pod_spec.hostIPC == true
}

deny contains {"id": "host-path", "reason": "pods may not mount the node's files"} if {
	_restricted_write
	some volume in _pod_spec.volumes
	volume.hostPath
}

deny contains {"id": "host-process", "reason": "pods may not run as processes of the node"} if {
	_restricted_write
	_pod_spec.securityContext.windowsOptions.hostProcess == true
}

deny contains {"id": "host-process-container", "reason": "containers may not run as processes of the node"} if {
	_restricted_write
	some container in workloads.containers(_pod_spec)
	container.securityContext.windowsOptions.hostProcess == true
}

deny contains {"id": "privileged", "reason": "privileged containers own the node"} if {
	_restricted_write
	some container in workloads.containers(_pod_spec)
	container.securityContext.privileged == true
}

deny contains {"id": "capabilities", "reason": "the container asks for a capability that owns the node"} if {
	_restricted_write
	some container in workloads.containers(_pod_spec)
	some capability in container.securityContext.capabilities.add
	trim_prefix(upper(capability), "CAP_") in _owning_capabilities
}

_owning_capabilities := {
	"ALL", "BPF", "DAC_READ_SEARCH", "MKNOD", "NET_ADMIN", "PERFMON",
	"SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO",
}

deny contains {
	"id": "foreign-service-account",
	"reason": "the pod would run with the rights of another service account",
	"instead": "leave serviceAccountName out; an operator adds it to data.surfaces.service_accounts of {request.namespace}",
} if {
	_restricted_write
	some account in _service_accounts
	not account in {"", "default"}
	not _own_account(account)
}

# serviceAccount is the field's old name; the API server still takes it.
_service_accounts contains _pod_spec.serviceAccountName

_service_accounts contains _pod_spec.serviceAccount

_own_account(account) if account in data.surfaces.service_accounts[input.request.namespace]

default _pod_spec := {}

_pod_spec := workloads.pod_spec(input.request.resource, input.request.object) if input.request.verb in _stores
