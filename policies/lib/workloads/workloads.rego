# METADATA
# title: Workloads
# description: |
#   What a workload object runs. The resource of the request says what the object is, never the object's own kind: the
#   API server fills in a kind that is missing, so a body without one would pass a check by kind.
package lib.workloads

_templated := {"deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "jobs"}

# METADATA
# description: pod_spec is the spec of the pods that an object of this resource runs. Undefined for other resources.
# scope: document
pod_spec("pods", object) := object.spec

pod_spec("podtemplates", object) := object.template.spec

pod_spec("cronjobs", object) := object.spec.jobTemplate.spec.template.spec

pod_spec(resource, object) := object.spec.template.spec if resource in _templated

# METADATA
# description: containers is every container of a pod spec, init and ephemeral ones too.
containers(spec) := [container |
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some container in spec[list]
]
