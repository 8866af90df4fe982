"""Rows stored by join key, and the answers that are computed from them at any moment, to the bits of the batch.

How rows are packed, which of them can still count, and what is answered from them belongs here. Where values are
stored belongs to `serving`.
"""
