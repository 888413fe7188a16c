package tests.surfaces

import data.gate
import data.rules.surfaces

# Somebody who may do everything that surfaces does not deny: what is denied below is denied by surfaces.
_input(more) := {
	"user": {"groups": ["admins"], "kind": "human"},
	"request": object.union(
		{
			"scope": "namespaced", "verb": "create", "group": "", "resource": "pods", "namespace": "shop", "name": "a",
			"path": "", "dry_run": false, "body": "parsed", "object": {"spec": {"containers": [{"name": "a", "image": "b"}]}},
		},
		more,
	),
	"grants": [],
}

_denied(more, id) if {
	decision := gate.decision with input as _input(more)
		with data.administrators.groups as ["admins"]
		with data.secrets.unmasked_groups as ["admins"]
	decision.verdict == "deny"
	{one.id | some one in decision.because} == {id}
	{one.rule | some one in decision.because} == {"surfaces"}
}

_passes(more) if {
	gate.decision.verdict == "allow" with input as _input(more)
		with data.administrators.groups as ["admins"]
		with data.secrets.unmasked_groups as ["admins"]
}

_unrestricted(more) := denials if {
	denials := surfaces.deny with input as _input(more) with data.administrators.unrestricted_groups as ["admins"]
}

_pod(spec) := {"object": {"spec": spec}}

_container(security) := _pod({"containers": [{"name": "a", "securityContext": security}]})

test_an_ordinary_pod_passes if _passes({})

test_an_ordinary_deployment_passes if {
	_passes({"group": "apps", "resource": "deployments", "object": {"spec": {"template": {"spec": {"containers": []}}}}})
}

test_proxies_are_denied if {
	every resource in ["nodes/proxy", "pods/proxy", "services/proxy"] {
		_denied({"verb": "connect", "resource": resource, "body": "none", "object": null}, "proxy")
	}
}

test_a_proxy_called_get_is_denied_too if _denied({"verb": "get", "resource": "nodes/proxy", "body": "none", "object": null}, "proxy")

test_service_account_tokens_are_denied_to_everybody if {
	_denied({"resource": "serviceaccounts/token", "object": {}}, "token-request")
	count(_unrestricted({"resource": "serviceaccounts/token", "object": {}})) == 1
	_denied({"resource": "serviceaccounts/token", "object": {}, "dry_run": true}, "token-request")
}

test_secrets_that_become_tokens_are_denied if {
	every type in ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"] {
		_denied({"resource": "secrets", "object": {"type": type}}, "token-secret")
	}
}

test_other_secrets_are_left_to_other_rules if _passes({"resource": "secrets", "object": {"type": "Opaque"}})

test_a_secret_with_missing_type_is_opaque if _passes({"resource": "secrets", "object": {}})

test_certificates_are_denied_to_everybody if {
	every resource in ["certificatesigningrequests", "certificatesigningrequests/approval", "certificatesigningrequests/status"] {
		_denied({"scope": "cluster", "verb": "update", "group": "certificates.k8s.io", "resource": resource, "object": {}}, "certificate")
		count(_unrestricted({"verb": "update", "group": "certificates.k8s.io", "resource": resource, "object": {}})) == 1
	}
}

test_a_binding_of_a_cluster_role_is_denied if {
	_denied({"scope": "cluster", "group": "rbac.authorization.k8s.io", "resource": "clusterrolebindings", "namespace": "", "object": {}}, "rbac")
}

test_an_agent_is_told_the_rule_of_a_cluster_role_binding if {
	decision := gate.decision with input as object.union(
		_input({"scope": "cluster", "group": "rbac.authorization.k8s.io", "resource": "clusterrolebindings", "namespace": "", "object": {}}),
		{"user": {"groups": ["local-agents"], "kind": "agent"}},
	)
	{one.rule | some one in decision.because} == {"surfaces"}
}

test_every_write_of_rbac_is_denied if {
	every verb in ["create", "update", "patch", "delete", "deletecollection"] {
		_denied({"verb": verb, "group": "rbac.authorization.k8s.io", "resource": "roles", "object": {}}, "rbac")
	}
}

test_reading_rbac_is_not_denied if {
	_passes({"verb": "get", "group": "rbac.authorization.k8s.io", "resource": "roles", "body": "none", "object": null})
}

test_unrestricted_groups_write_rbac if {
	count(_unrestricted({"group": "rbac.authorization.k8s.io", "resource": "clusterroles", "object": {}})) == 0
}

test_aws_auth_is_denied if {
	every name in ["aws-auth", "extension-apiserver-authentication"] {
		_denied({"verb": "patch", "resource": "configmaps", "namespace": "kube-system", "name": name, "object": {}}, "cluster-identity")
	}
}

test_aws_auth_goes_with_no_collection if {
	_denied({"verb": "deletecollection", "resource": "configmaps", "namespace": "kube-system", "name": "", "object": null}, "cluster-identity-collection")
}

test_aws_auth_elsewhere_is_any_configmap if {
	_passes({"resource": "configmaps", "namespace": "shop", "name": "aws-auth", "object": {}})
}

test_whole_groups_are_denied if {
	_denied({"scope": "cluster", "group": "admissionregistration.k8s.io", "resource": "mutatingwebhookconfigurations", "object": {}}, "admission")
	_denied({"scope": "cluster", "group": "apiregistration.k8s.io", "resource": "apiservices", "object": {}}, "api-service")
	_denied({"scope": "cluster", "group": "flowcontrol.apiserver.k8s.io", "resource": "flowschemas", "object": {}}, "flow-control")
	_denied({"scope": "cluster", "group": "storage.k8s.io", "resource": "storageclasses", "object": {}}, "storage")
}

test_a_conversion_webhook_is_denied if {
	_denied(
		{"scope": "cluster", "group": "apiextensions.k8s.io", "resource": "customresourcedefinitions", "object": {"spec": {"conversion": {"strategy": "Webhook"}}}},
		"crd-conversion",
	)
}

test_a_definition_with_missing_conversion_strategy_passes if {
	_passes({"scope": "cluster", "group": "apiextensions.k8s.io", "resource": "customresourcedefinitions", "object": {"spec": {}}})
}

test_endpoints_are_denied if {
	_denied({"resource": "endpoints", "object": {}}, "endpoints")
	_denied({"group": "discovery.k8s.io", "resource": "endpointslices", "object": {}}, "endpoints")
}

test_external_ips_are_denied if _denied({"resource": "services", "object": {"spec": {"externalIPs": ["10.0.0.1"]}}}, "external-ips")

test_a_service_with_missing_or_empty_external_ips_passes if {
	_passes({"resource": "services", "object": {"spec": {}}})
	_passes({"resource": "services", "object": {"spec": {"externalIPs": []}}})
}

test_persistent_volumes_are_denied if {
	_denied({"scope": "cluster", "resource": "persistentvolumes", "object": {}}, "storage")
}

test_nodes_are_denied_where_they_redirect if {
	_denied({"scope": "cluster", "verb": "patch", "resource": "nodes/status", "object": {}}, "node-address")
	_denied({"scope": "cluster", "resource": "nodes", "object": {}}, "node-object")
	_passes({"scope": "cluster", "verb": "patch", "resource": "nodes", "object": {}})
}

test_ephemeral_containers_are_denied if {
	_denied({"verb": "patch", "resource": "pods/ephemeralcontainers", "object": {}}, "ephemeral-container")
}

test_bindings_are_denied if {
	_denied({"resource": "pods/binding", "object": {}}, "binding")
	_denied({"resource": "bindings", "object": {}}, "binding")
}

test_the_node_in_a_pod_is_denied if {
	_denied(_pod({"hostNetwork": true}), "host-network")
	_denied(_pod({"hostPID": true}), "host-pid")
	_denied(_pod({"hostIPC": true}), "host-ipc")
	_denied(_pod({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}), "host-path")
	_denied(_pod({"securityContext": {"windowsOptions": {"hostProcess": true}}}), "host-process")
	_denied(_container({"windowsOptions": {"hostProcess": true}}), "host-process-container")
	_denied(_container({"privileged": true}), "privileged")
}

test_capabilities_are_denied_however_written if {
	every capability in ["SYS_ADMIN", "CAP_SYS_ADMIN", "sys_admin", "ALL"] {
		_denied(_container({"capabilities": {"add": [capability]}}), "capabilities")
	}
	_passes(_container({"capabilities": {"add": ["NET_BIND_SERVICE"]}}))
}

test_init_containers_count if _denied(_pod({"initContainers": [{"securityContext": {"privileged": true}}]}), "privileged")

test_templates_count if {
	_denied({"group": "batch", "resource": "cronjobs", "object": {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"hostPID": true}}}}}}}, "host-pid")
	_denied({"group": "apps", "resource": "daemonsets", "object": {"spec": {"template": {"spec": {"hostPID": true}}}}}, "host-pid")
}

test_a_kind_that_is_missing_or_wrong_hides_nothing if {
	_denied({"object": {"spec": {"hostPID": true}}}, "host-pid")
	_denied({"object": {"kind": "ConfigMap", "spec": {"hostPID": true}}}, "host-pid")
}

test_a_patch_counts_by_what_would_be_stored if {
	_denied({"verb": "patch", "object": {"spec": {"hostPID": true}}}, "host-pid")
}

test_missing_host_network_host_pid_and_host_ipc_are_off if _passes(_pod({"containers": []}))

test_a_volume_with_missing_host_path_passes if _passes(_pod({"volumes": [{"name": "a", "emptyDir": {}}]}))

test_missing_privileged_host_process_and_capabilities_add_are_off if {
	_passes(_container({}))
	_passes(_container({"capabilities": {}, "windowsOptions": {}}))
	_passes(_pod({"securityContext": {}}))
}

test_a_foreign_service_account_is_denied if {
	_denied(_pod({"serviceAccountName": "admin"}), "foreign-service-account")
	_denied(_pod({"serviceAccount": "admin"}), "foreign-service-account")
}

test_an_own_service_account_passes if {
	gate.decision.verdict == "allow" with input as _input(_pod({"serviceAccountName": "checkout"}))
		with data.administrators.groups as ["admins"]
		with data.surfaces.service_accounts as {"shop": ["checkout"]}
}

test_a_service_account_of_another_namespace_is_foreign if {
	some deny in surfaces.deny with input as _input(_pod({"serviceAccountName": "checkout"}))
		with data.surfaces.service_accounts as {"payments": ["checkout"]}
	deny.id == "foreign-service-account"
}

test_missing_service_account_and_service_account_name_are_the_default_one if {
	_passes(_pod({"containers": []}))
	_passes(_pod({"serviceAccountName": "default"}))
	_passes(_pod({"serviceAccountName": ""}))
}

test_unrestricted_groups_run_privileged_pods if count(_unrestricted(_container({"privileged": true}))) == 0
