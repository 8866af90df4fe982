"""Retraining policies and the decisions they make.

What decides from given evidence belongs here. What collects the evidence belongs to `steps`.
"""
