package tests.teams

import data.gate
import data.rules.teams

_input(groups, more) := {
	"user": {"groups": groups, "kind": "agent"},
	"request": object.union(
		{
			"scope": "namespaced", "verb": "update", "group": "", "resource": "configmaps", "namespace": "shop",
			"name": "a", "path": "", "dry_run": false, "body": "parsed", "object": {},
		},
		more,
	),
	"grants": [],
}

_grants := {"shop-writers": [{"namespaces": ["shop"], "verbs": ["update"], "resources": {"": ["configmaps"], "apps": ["deployments"]}}]}

test_what_is_granted_passes if {
	gate.decision.verdict == "allow" with input as _input(["shop-writers"], {}) with data.teams.groups as _grants
}

test_another_group_does_not if {
	count(teams.allow) == 0 with input as _input(["example"], {}) with data.teams.groups as _grants
}

test_another_namespace_does_not if {
	count(teams.allow) == 0 with input as _input(["shop-writers"], {"namespace": "payments"}) with data.teams.groups as _grants
}

test_all_namespaces_do_not if {
	count(teams.allow) == 0 with input as _input(["shop-writers"], {"namespace": ""}) with data.teams.groups as _grants
}

test_the_namespace_object_does_not if {
	gate.decision.verdict == "deny" with input as _input(["shop-writers"], {"scope": "cluster", "resource": "namespaces", "namespace": "", "name": "shop"})
		with data.teams.groups as {"shop-writers": [{"namespaces": ["shop"], "verbs": ["update"], "resources": {"": ["namespaces"]}}]}
}

test_another_verb_does_not if {
	count(teams.allow) == 0 with input as _input(["shop-writers"], {"verb": "delete"}) with data.teams.groups as _grants
}

test_a_subresource_does_not if {
	count(teams.allow) == 0 with input as _input(["shop-writers"], {"group": "apps", "resource": "deployments/scale"})
		with data.teams.groups as _grants
}

test_the_resource_of_another_group_does_not if {
	count(teams.allow) == 0 with input as _input(["shop-writers"], {"group": "apps"}) with data.teams.groups as _grants
}

test_missing_groups_allow_nothing if {
	count(teams.allow) == 0 with input as {"request": {"scope": "namespaced", "namespace": "shop"}} with data.teams.groups as _grants
}
