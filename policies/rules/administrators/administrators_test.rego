package tests.administrators

import data.gate
import data.rules.administrators

_input(groups, more) := {
	"user": {"groups": groups, "kind": "human"},
	"request": object.union(
		{
			"scope": "namespaced", "verb": "create", "group": "apps", "resource": "deployments", "namespace": "shop",
			"name": "a", "path": "", "dry_run": false, "body": "parsed", "object": {"spec": {"template": {"spec": {}}}},
		},
		more,
	),
	"grants": [],
}

test_administrators_write if {
	gate.decision.verdict == "allow" with input as _input(["admins"], {}) with data.administrators.groups as ["admins"]
}

test_others_do_not if {
	gate.decision.verdict == "deny" with input as _input(["example"], {}) with data.administrators.groups as ["admins"]
}

test_nonresource_paths_stay_closed if {
	gate.decision.verdict == "deny" with input as _input(["admins"], {"scope": "nonresource", "verb": "get", "resource": "", "group": "", "body": "none", "path": "/debug/pprof"})
		with data.administrators.groups as ["admins"]
}

test_an_unreadable_body_is_not_taken_from_them if {
	gate.decision.verdict == "deny" with input as _input(["admins"], {"body": "opaque", "object": null})
		with data.administrators.groups as ["admins"]
}

test_denies_bind_them_too if {
	gate.decision.verdict == "deny" with input as _input(["admins"], {"resource": "serviceaccounts/token", "group": ""})
		with data.administrators.groups as ["admins"]
}

test_missing_groups_allow_nothing if {
	count(administrators.allow) == 0 with input as {"request": {"scope": "namespaced"}}
}
