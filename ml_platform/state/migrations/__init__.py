"""Alembic's migrations of the operational state. A new one is added; one that has landed is never changed."""
