package tests.callers

import data.lib.callers

test_one_common_group_is_enough if callers.in_any_of(["a", "b"], ["b", "c"])

test_no_common_group_is_not if not callers.in_any_of(["a"], ["b"])

test_without_groups_nobody_is_in if not callers.in_any_of([], ["a"])
