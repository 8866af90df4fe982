"""Backtests of retraining policies (S66): paths through a matrix of models and partitions, and their comparison.

What computes from a given matrix belongs here, and it is pure. What fits and scores belongs to `experiments`.
"""
