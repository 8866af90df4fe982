"""Checks on validated partitions: profiles, and rules against the contract and against history.

What judges values of a validated table belongs here. What decides which rows are valid belongs to `validation`.
"""
