package tests.secrets

import data.gate
import data.rules.secrets

_input(groups, more) := {
	"user": {"groups": groups, "kind": "agent"},
	"request": object.union(
		{
			"scope": "namespaced", "verb": "get", "group": "", "resource": "secrets", "namespace": "shop", "name": "db",
			"path": "", "dry_run": false, "body": "none",
		},
		more,
	),
	"grants": [],
}

test_values_are_masked if {
	decision := gate.decision with input as _input(["example"], {})
	decision.verdict == "allow"
	[mask.id | some mask in decision.mask] == ["values"]
}

test_last_applied_is_masked_too if {
	some mask in secrets.mask with input as _input(["example"], {})
	"metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']" in mask.fields
}

test_another_resource_is_not_masked if count(secrets.mask) == 0 with input as _input([], {"resource": "pods"})

test_named_groups_see_values if {
	count(secrets.mask) == 0 with input as _input(["example"], {}) with data.secrets.unmasked_groups as ["example"]
}

test_without_groups_values_are_masked if count(secrets.mask) == 1 with input as _input([], {})

test_streams_are_denied_where_secrets_are_masked if {
	every resource in ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy"] {
		some deny in secrets.deny with input as _input(["example"], {"verb": "connect", "resource": resource})
		deny.id == "streams"
	}
}

test_streams_of_named_groups_are_left_to_other_rules if {
	count(secrets.deny) == 0 with input as _input(["example"], {"verb": "connect", "resource": "pods/exec"})
		with data.secrets.unmasked_groups as ["example"]
}

test_missing_groups_mask if count(secrets.mask) == 1 with input as {"request": {"resource": "secrets", "verb": "get"}}
