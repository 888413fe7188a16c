package tests.diagnostics

import data.gate
import data.rules.diagnostics

_user := {"groups": ["example"], "kind": "agent"}

_request(more) := {
	"user": _user,
	"request": object.union(
		{
			"scope": "namespaced", "verb": "get", "group": "", "resource": "pods", "namespace": "shop", "name": "a",
			"path": "", "dry_run": false, "body": "none",
		},
		more,
	),
	"grants": [],
}

_says(id) if diagnostics.allow[_].id == id

test_pods_are_read if _says("read") with input as _request({"verb": "list"})

test_pods_of_all_namespaces_are_read if _says("read") with input as _request({"verb": "list", "namespace": ""})

test_a_write_is_not_a_read if {
	every verb in ["create", "update", "patch", "delete", "deletecollection", "connect"] {
		count(diagnostics.allow) == 0 with input as _request({"verb": verb})
	}
}

test_an_exec_over_websocket_is_not_a_read if {
	gate.decision.verdict == "deny" with input as _request({"verb": "connect", "resource": "pods/exec"})
}

test_an_exec_called_get_is_not_a_read_either if {
	gate.decision.verdict == "deny" with input as _request({"verb": "get", "resource": "pods/exec"})
}

test_debug_and_logs_of_the_server_are_not_read if {
	every path in ["/debug/pprof", "/debug/pprof/heap", "/logs", "/logs/kube-apiserver.log", "/metrics", "/configz"] {
		gate.decision.verdict == "deny" with input as _request({"scope": "nonresource", "group": "", "resource": "", "namespace": "", "name": "", "path": path})
	}
}

test_the_same_name_in_another_group_is_not_read if {
	count(diagnostics.allow) == 0 with input as _request({"group": "example.com"})
}

test_an_unknown_resource_is_not_read if count(diagnostics.allow) == 0 with input as _request({"resource": "gadgets"})

test_a_custom_resource_of_the_data_is_read if {
	_says("read-custom") with input as _request({"group": "argoproj.io", "resource": "applications"})
		with data.diagnostics.custom_resources as {"argoproj.io": ["applications"]}
}

test_logs_are_for_their_groups if {
	_says("logs") with input as _request({"resource": "pods/log"}) with data.diagnostics.log_groups as ["example"]
}

test_logs_are_not_for_others if {
	gate.decision.verdict == "deny" with input as _request({"resource": "pods/log"}) with data.diagnostics.log_groups as ["other"]
}

test_without_everybody_only_read_groups_read if {
	count(diagnostics.allow) == 0 with input as _request({}) with data.diagnostics.everybody as false
	_says("read") with input as _request({}) with data.diagnostics.everybody as false with data.diagnostics.read_groups as ["example"]
}

test_missing_request_fields_read_nothing if count(diagnostics.allow) == 0 with input as {"user": _user, "request": {"verb": "get"}}
