# METADATA
# title: Administrators
# description: |
#   Members of data.administrators.groups may do to resources whatever no other rule denies or holds. Unreadable bodies
#   are not taken from them, and nonresource paths are not open to them.
package rules.administrators

import data.lib.callers

allow contains {"id": "everything", "reason": "the caller is an administrator"} if {
	input.request.scope in ["namespaced", "cluster"]
	callers.in_any_of(input.user.groups, data.administrators.groups)
}
