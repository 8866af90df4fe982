"""Checks on validated partitions: profiles, and rules against the contract and against history.

Code that judges the values of a validated table belongs here. Code that decides which rows are valid belongs to
`validation`.
"""
