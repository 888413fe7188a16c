package tests.workloads

import data.lib.workloads

test_a_pod_is_its_own_spec if workloads.pod_spec("pods", {"spec": {"a": 1}}) == {"a": 1}

test_a_template_is_found_by_resource_not_by_kind if {
	workloads.pod_spec("deployments", {"kind": "Pod", "spec": {"template": {"spec": {"a": 1}}}}) == {"a": 1}
}

test_a_cronjob_is_looked_through if {
	workloads.pod_spec("cronjobs", {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"a": 1}}}}}}) == {"a": 1}
}

test_a_pod_template_is_looked_through if workloads.pod_spec("podtemplates", {"template": {"spec": {"a": 1}}}) == {"a": 1}

test_another_resource_has_no_pods if not workloads.pod_spec("configmaps", {"spec": {"template": {"spec": {}}}})

test_a_missing_spec_is_no_spec if not workloads.pod_spec("pods", {})

test_every_kind_of_container_counts if {
	count(workloads.containers({"containers": [{}], "initContainers": [{}], "ephemeralContainers": [{}]})) == 3
}

test_missing_containers_are_none if workloads.containers({}) == []
