"""Forgetting an entity everywhere (S47)."""
