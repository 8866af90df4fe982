"""Real data for the shipped pipelines, from installed packages or downloaded wheels, written as landing files.

What fetches and slices example data belongs here. What declares the pipelines belongs to `pipelines`.
"""
