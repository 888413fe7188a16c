# METADATA
# title: Secret values stay in the cluster
# description: |
#   Values of Secrets are masked for everybody whom data.secrets does not name. For those callers exec, attach,
#   port-forward and proxy are denied too: each of them could show the same values by another way.
package rules.secrets

import data.lib.callers

mask contains {
	"id": "values",
	"reason": "secret values stay in the cluster",
	"fields": [
		"data.*",
		"stringData.*",
		"metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']",
	],
} if {
	input.request.resource == "secrets"
	not _unmasked
}

deny contains {
	"id": "streams",
	"reason": "a pod can show the Secrets that are masked for the caller, so {request.resource} is not open to it",
	"instead": "kubectl get, describe and events; ask for a group that data.secrets.unmasked_groups names",
} if {
	input.request.verb == "connect"
	not _unmasked
}

_unmasked if callers.in_any_of(input.user.groups, data.secrets.unmasked_groups)
