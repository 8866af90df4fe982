"""When to train again: policies and the decisions they make."""
