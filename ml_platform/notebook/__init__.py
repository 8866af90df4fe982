"""The platform in a notebook: read-only objects whose frames are polars and whose pictures Jupyter shows.

What they show comes from `ml_platform.views` and `ml_platform.state`; this package holds no rule of the platform.
Nothing here writes, runs a step or imports Dagster.
"""
