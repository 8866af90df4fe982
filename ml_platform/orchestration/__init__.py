"""Dagster: assets, checks, jobs, sensors, schedules, resources and the I/O manager, built from declarations.

What imports dagster belongs here, and nowhere else. What a step computes belongs to `steps`.
"""
