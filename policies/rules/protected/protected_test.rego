package tests.protected

import data.gate
import data.rules.protected

_input(more) := {
	"user": {"groups": ["example"], "kind": "agent"},
	"request": object.union(
		{
			"scope": "namespaced", "verb": "delete", "group": "", "resource": "pods", "namespace": "payments",
			"name": "checkout", "path": "", "dry_run": false, "body": "none", "object": null,
		},
		more,
	),
	"grants": [],
}

_data := {"payments": {"approvers": ["payments-oncall"]}}

test_deleting_a_pod_waits_for_its_owners if {
	decision := gate.decision with input as _input({}) with data.protected.namespaces as _data
	decision.verdict == "hold"
	[hold.approvers | some hold in decision.because] == [["payments-oncall"]]
}

test_a_grant_lifts_the_hold if {
	gate.decision.verdict == "allow" with input as object.union(_input({}), {"grants": [{"covers": [{"rule": "protected", "id": "delete"}]}]})
		with data.protected.namespaces as _data
}

test_an_eviction_waits_too if {
	gate.decision.verdict == "hold" with input as _input({"verb": "create", "resource": "pods/eviction", "body": "parsed", "object": {}})
		with data.protected.namespaces as _data
}

test_another_namespace_is_denied if {
	gate.decision.verdict == "deny" with input as _input({"namespace": "shop"}) with data.protected.namespaces as _data
}

test_a_read_is_not_held if {
	gate.decision.verdict == "allow" with input as _input({"verb": "get"}) with data.protected.namespaces as _data
}

test_another_delete_is_denied_where_nothing_allows_it if {
	gate.decision.verdict == "deny" with input as _input({"resource": "secrets"}) with data.protected.namespaces as _data
}

test_another_delete_is_held_where_something_allows_it if {
	gate.decision.verdict == "hold" with input as _input({"resource": "secrets"})
		with data.protected.namespaces as _data
		with data.administrators.groups as ["example"]
}

test_a_collection_is_denied if {
	some deny in protected.deny with input as _input({"verb": "deletecollection", "name": ""}) with data.protected.namespaces as _data
	deny.id == "delete-collection"
}

test_the_namespace_itself_is_denied if {
	decision := gate.decision with input as _input({"scope": "cluster", "resource": "namespaces", "namespace": "", "name": "payments"})
		with data.protected.namespaces as _data
		with data.administrators.groups as ["example"]
	decision.verdict == "deny"
	{one.id | some one in decision.because} == {"delete-namespace"}
}

test_another_namespace_object_is_left_to_other_rules if {
	count(protected.deny) == 0 with input as _input({"scope": "cluster", "resource": "namespaces", "namespace": "", "name": "shop"})
		with data.protected.namespaces as _data
}

test_namespaces_as_a_collection_are_denied if {
	some deny in protected.deny with input as _input({"scope": "cluster", "verb": "deletecollection", "resource": "namespaces", "namespace": "", "name": ""})
	deny.id == "delete-namespaces"
}

test_finalizing_the_namespace_is_denied if {
	some deny in protected.deny with input as _input({"scope": "cluster", "verb": "update", "resource": "namespaces/finalize", "namespace": "", "name": "payments"})
		with data.protected.namespaces as _data
	deny.id == "finalize-namespace"
}

test_missing_namespace_holds_nothing if {
	count(protected.hold) == 0 with input as {"request": {"scope": "namespaced", "verb": "delete", "group": "", "resource": "pods"}}
}
