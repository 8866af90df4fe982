"""The aggregates of windows that are told apart."""

COUNTED = frozenset({"count", "n_unique"})  # whole numbers, of values of any type
