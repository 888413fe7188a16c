# METADATA
# title: Teams work in their own namespaces
# description: |
#   What data.teams.groups grants to a group, in the namespaces that it names. Lists over all namespaces are not part
#   of it.
package rules.teams

allow contains {"id": "granted", "reason": "the caller's team may do this in {request.namespace}"} if {
	input.request.scope == "namespaced"
	some group in input.user.groups
	some grant in data.teams.groups[group]
	input.request.namespace in grant.namespaces
	input.request.verb in grant.verbs
	input.request.resource in grant.resources[input.request.group]
}
