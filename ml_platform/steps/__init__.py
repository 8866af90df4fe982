"""A pipeline's work, step by step: content keys, what they are made from, what is stale."""
