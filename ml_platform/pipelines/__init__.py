"""The use cases: one module each, declarations only."""
