"""The evidence of a version: one archive with its card, its records and hashes, and a script that verifies it.

What is in it and how it is written belongs here. The decision's evidence for retraining is `steps.evidence`.
"""
