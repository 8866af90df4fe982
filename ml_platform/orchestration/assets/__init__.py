"""Asset factories, one for each layer.

What turns tables and steps into Dagster assets belongs here. What the assets compute belongs to `steps`.
"""
