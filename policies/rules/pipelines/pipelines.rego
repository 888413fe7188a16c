# METADATA
# title: Pipelines deploy what data names
# description: |
#   What data.pipelines.groups grants to a CI/CD identity. The identity is a workload of its issuer's configuration,
#   never an agent.
package rules.pipelines

allow contains {"id": "deploy", "reason": "the pipeline may do this in {request.namespace}"} if {
	input.user.kind == "workload"
	input.request.scope == "namespaced"
	some group in input.user.groups
	some grant in data.pipelines.groups[group]
	input.request.namespace in grant.namespaces
	input.request.verb in grant.verbs
	input.request.resource in grant.resources[input.request.group]
}
