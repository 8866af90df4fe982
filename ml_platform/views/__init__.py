"""Read models for CLI, UI and notebooks: status, model facts, lineage stories, reports.

What only reads, for people or programs, belongs here. What decides or writes does not.
"""
