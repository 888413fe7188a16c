package tests.gate

import data.gate

_read := {"request": {"verb": "get", "resource": "pods", "scope": "namespaced", "namespace": "shop", "name": "a", "body": "none"}, "grants": []}

_allow := {"a": {"allow": {{"id": "1", "reason": "r"}}}}

_hold := {"b": {"hold": {{"id": "2", "reason": "r", "approvers": ["x"]}}}}

_tightening := {"b": {"hold": {{"id": "2", "reason": "r", "approvers": ["x"], "only_if_allowed": true}}}}

_deny := {"c": {"deny": {{"id": "3", "reason": "r"}}}}

_opaque := object.union(_read, {"request": {"verb": "create", "body": "opaque"}})

_rules(parts) := object.union_n(parts)

test_nothing_said_is_denied if {
	gate.decision.because == {{"rule": "gate", "id": "default-deny", "reason": "no rule allows this"}} with input as _read with data.rules as {}
}

test_without_input_everything_is_denied if {
	{one.id | some one in gate.decision.because} == {"no-input"} with input as {} with data.rules as _allow
}

test_all_four_keys_are_always_there if {
	object.keys(gate.decision) == {"verdict", "because", "mask", "record"} with input as _read with data.rules as {}
}

test_deny_beats_hold_and_allow if {
	gate.decision.verdict == "deny" with input as _read with data.rules as _rules([_allow, _hold, _deny])
}

test_hold_beats_allow if {
	gate.decision.verdict == "hold" with input as _read with data.rules as _rules([_allow, _hold])
}

test_allow_passes_with_its_rule if {
	gate.decision.because == {{"rule": "a", "id": "1", "reason": "r"}} with input as _read with data.rules as _allow
}

test_an_element_cannot_name_another_rule if {
	gate.decision.because == {{"rule": "a", "id": "1", "reason": "r"}} with input as _read with data.rules as {"a": {"allow": {{"id": "1", "reason": "r", "rule": "gate"}}}}
}

test_a_tightening_hold_allows_nothing_by_itself if {
	gate.decision.verdict == "deny" with input as _read with data.rules as _tightening
}

test_a_tightening_hold_holds_what_is_allowed if {
	gate.decision.verdict == "hold" with input as _read with data.rules as _rules([_allow, _tightening])
}

test_a_malformed_deny_denies if {
	gate.decision.verdict == "deny" with input as _read with data.rules as _rules([_allow, {"c": {"deny": {"no-writes"}}}])
}

test_an_element_without_reason_denies if {
	gate.decision.because == {{"rule": "c", "id": "malformed-element", "reason": "an element of this rule lacks id, reason or approvers"}} with input as _read with data.rules as _rules([_allow, {"c": {"mask": {{"id": "x"}}}}])
}

test_an_unreadable_element_of_any_set_denies if {
	every case in [[set, element] |
		some set in ["deny", "hold", "allow", "mask", "record"]
		some element in ["text", {"id": "x"}, {"reason": "r"}]
	] {
		[set, element] := case
		{one.id | some one in gate.decision.because} == {"malformed-element"} with input as _read with data.rules as _rules([_allow, {"c": {set: [element]}}])
	}
}

test_a_hold_without_approvers_denies if {
	gate.decision.verdict == "deny" with input as _read with data.rules as _rules([_allow, {"b": {"hold": {{"id": "2", "reason": "r"}}}}])
}

test_a_hold_with_no_approver_in_its_list_denies if {
	gate.decision.verdict == "deny" with input as _read with data.rules as _rules([_allow, {"b": {"hold": {{"id": "2", "reason": "r", "approvers": []}}}}])
}

test_an_unreadable_body_is_denied if {
	gate.decision.verdict == "deny" with input as _opaque with data.rules as _allow
}

test_an_unreadable_body_passes_where_a_rule_says_so if {
	gate.decision.verdict == "allow" with input as _opaque with data.rules as {"a": {"allow": {{"id": "1", "reason": "r", "opaque": true}}}}
}

test_a_blind_hold_denies_an_unreadable_body if {
	gate.decision.because == {{"rule": "gate", "id": "opaque-write", "reason": "the body could not be read, and no rule takes it unread"}} with input as _opaque with data.rules as _rules([{"a": {"allow": {{"id": "1", "reason": "r", "opaque": true}}}}, _tightening])
}

_two_holds := {
	"a": {"hold": {{"id": "1", "reason": "r", "approvers": ["x"]}}},
	"b": {"hold": {{"id": "2", "reason": "r", "approvers": ["x"], "only_if_allowed": true}}},
}

test_the_first_verdict_lists_every_hold_of_the_release if {
	{held.id | some held in gate.decision.because} == {"1", "2"} with input as _read with data.rules as _two_holds
}

test_one_approval_releases_them_together if {
	covers := [{"rule": "a", "id": "1"}, {"rule": "b", "id": "2"}]
	gate.decision.verdict == "allow" with input as object.union(_read, {"grants": [{"covers": covers}]}) with data.rules as _two_holds
}

test_half_an_approval_does_not if {
	gate.decision.verdict == "hold" with input as object.union(_read, {"grants": [{"covers": [{"rule": "a", "id": "1"}]}]}) with data.rules as _two_holds
}

test_an_approval_of_the_tightening_hold_alone_does_not if {
	gate.decision.verdict == "hold" with input as object.union(_read, {"grants": [{"covers": [{"rule": "b", "id": "2"}]}]}) with data.rules as _two_holds
}

test_a_grant_does_not_beat_a_deny if {
	gate.decision.verdict == "deny" with input as object.union(_read, {"grants": [{"covers": [{"rule": "b", "id": "2"}]}]}) with data.rules as _rules([_hold, _deny])
}

test_a_dry_run_is_not_held if {
	gate.decision.verdict == "deny" with input as object.union(_read, {"request": {"dry_run": true}}) with data.rules as _two_holds
}

test_a_dry_run_is_denied_like_the_write if {
	gate.decision.verdict == "deny" with input as object.union(_read, {"request": {"dry_run": true}}) with data.rules as _rules([_allow, _deny])
}

test_a_deletecollection_is_never_held if {
	gate.decision.because[_].id == "unholdable" with input as object.union(_read, {"request": {"verb": "deletecollection"}}) with data.rules as _rules([_allow, _hold])
}

test_a_denied_request_keeps_its_masks_and_record_level if {
	decision := gate.decision with input as _read with data.rules as {
		"a": {"deny": {{"id": "1", "reason": "r"}}},
		"b": {"mask": {{"id": "2", "reason": "r", "fields": ["data.*"]}}, "record": {{"id": "3", "reason": "r", "level": "full"}}},
	}
	decision.verdict == "deny"
	count(decision.mask) == 1
	count(decision.record) == 1
}

test_nobody_fetches if gate.fetch == {"live": false} with input as _read with data.rules as _allow

test_one_rule_that_fetches_is_enough if {
	gate.fetch == {"live": true} with input as _read with data.rules as _rules([_allow, {"b": {"fetch": {{"live": true}}}}])
}
