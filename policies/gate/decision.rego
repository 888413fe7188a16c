# METADATA
# title: The decision
# description: |
#   Folds what the rule packages say into one verdict: deny beats hold, hold beats allow, and what nobody allowed is
#   denied. Rules only add to sets, so neither file order nor a further file can undo another's deny.
package gate

# METADATA
# title: decision
# description: |
#   What happens to the request, and every element that says so, with its rule's name. All four keys are always there;
#   on a deny, mask and record serve the record.
# entrypoint: true
decision := {"verdict": _outcome.verdict, "because": _outcome.because, "mask": _said.mask, "record": _said.record}

# METADATA
# title: fetch
# description: Whether a rule needs the object as it is now. Asked before the object is there.
# entrypoint: true
fetch := {"live": count(_live) > 0}

_live contains name if {
	some name
	some element in data.rules[name].fetch
	element.live == true
}

# The last branch never allows.
_outcome := {"verdict": "deny", "because": {_no_input}} if {
	not _has_input
} else := {"verdict": "deny", "because": _malformed} if {
	count(_unreadable) > 0
} else := {"verdict": "deny", "because": _said.deny} if {
	count(_said.deny) > 0
} else := {"verdict": "deny", "because": {_opaque_write}} if {
	_needs_reading
} else := {"verdict": "deny", "because": {_unholdable}} if {
	count(_open_holds) > 0
	input.request.verb == "deletecollection"
} else := {"verdict": "hold", "because": _open_holds} if {
	count(_open_holds) > 0
} else := {"verdict": "allow", "because": _passes} if {
	count(_passes) > 0
} else := {"verdict": "deny", "because": {_default_deny}}

# Input that does not parse is undefined to WebAssembly and no error: rules with `not` would apply to nothing.
_has_input if is_string(input.request.verb)

_no_input := {"rule": "gate", "id": "no-input", "reason": "the request did not reach the policy"}

_default_deny := {"rule": "gate", "id": "default-deny", "reason": "no rule allows this"}

_opaque_write := {
	"rule": "gate",
	"id": "opaque-write",
	"reason": "the body could not be read, and no rule takes it unread",
}

_unholdable := {
	"rule": "gate",
	"id": "unholdable",
	"reason": "what a deletecollection would delete cannot be bound to an approval",
	"instead": "delete the objects by name",
}

# The sets are named one by one: a lookup of a set by a variable would reach the functions of rule packages as well,
# and OPA compiles such a lookup into a module that does not load. Each is walked once, as it is: an element that is no
# object must still be seen.
_denies := [[name, element] |
	some name
	some element in data.rules[name].deny
]

_holds := [[name, element] |
	some name
	some element in data.rules[name].hold
]

_allows := [[name, element] |
	some name
	some element in data.rules[name].allow
]

_masks := [[name, element] |
	some name
	some element in data.rules[name].mask
]

_records := [[name, element] |
	some name
	some element in data.rules[name].record
]

# Sets are what goes out as it is; the others are only walked, and an array costs no hashing.
_said := {
	"deny": {object.union(element, {"rule": name}) | some [name, element] in _denies},
	"hold": [object.union(element, {"rule": name}) | some [name, element] in _holds],
	"allow": [object.union(element, {"rule": name}) | some [name, element] in _allows],
	"mask": {object.union(element, {"rule": name}) | some [name, element] in _masks},
	"record": {object.union(element, {"rule": name}) | some [name, element] in _records},
}

_named(element) if {
	is_string(element.id)
	is_string(element.reason)
}

# An element that cannot be read must not be a deny that vanished.
_unreadable contains name if {
	some said in [_denies, _allows, _masks, _records]
	some [name, element] in said
	not _named(element)
}

_unreadable contains name if {
	some [name, element] in _holds
	not _approvable(element)
}

_approvable(element) if {
	_named(element)
	count(element.approvers) > 0
}

_malformed := {{
	"rule": name,
	"id": "malformed-element",
	"reason": "an element of this rule lacks id, reason or approvers",
} |
	some name in _unreadable
}

# What lets a request pass: an allow, or a hold whose people agreed (the gateway puts a live grant into input).
_passes contains element if {
	some element in _said.allow
	_readable(element)
}

_passes contains hold if {
	some hold in _said.hold
	not hold.only_if_allowed
	_granted(hold)
	_readable(hold)
}

# A dry run changes nothing: denies and masks count, holds do not.
_open_holds contains hold if {
	some hold in _said.hold
	not input.request.dry_run
	not _granted(hold)
	_applies(hold)
}

# A hold that only tightens waits for nobody where nothing could let the request pass. Whether a grant is there must
# not matter: the first verdict lists every hold that the release will ask for.
_applies(hold) if not hold.only_if_allowed

_applies(_) if count(_said.allow) > 0

_applies(_) if {
	some other in _said.hold
	not other.only_if_allowed
}

_granted(hold) if {
	some grant in input.grants
	some covered in grant.covers
	covered == {"rule": hold.rule, "id": hold.id}
}

_readable(_) if input.request.body != "opaque"

_readable(element) if element.opaque == true

# An unreadable body: a hold that did not say opaque may have wanted to see it, and so may every allow.
_needs_reading if {
	some hold in _said.hold
	not _readable(hold)
}

_needs_reading if {
	count(_passes) == 0
	count(_said.allow) > 0
	count(_said.hold) == 0
}
