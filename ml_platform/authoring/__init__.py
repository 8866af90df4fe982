"""Drafts a declaration, with its tests, from a file of rows.

What inspects a file and writes Python belongs here. What asks questions on a terminal belongs to `cli`.
"""
