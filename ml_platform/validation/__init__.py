"""From raw rows to validated rows: casting, screening, resolution of versions, and the quarantine.

What accepts or rejects a row belongs here. What reads bytes belongs to `sources`, what judges partitions to `quality`.
"""
