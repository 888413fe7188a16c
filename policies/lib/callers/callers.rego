# METADATA
# title: Callers
# description: Questions about who calls, for rule writers.
package lib.callers

# METADATA
# description: in_any_of is true where one of the caller's groups is in the list.
in_any_of(groups, names) if {
	some group in groups
	group in names
}
