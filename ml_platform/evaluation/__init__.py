"""Judging a candidate before it serves: metrics, intervals, gates, the model card.

Code that measures a model in production belongs to `monitoring`.
"""
