"""Judges candidates: metrics, confidence intervals, gates and the model card.

What measures a model belongs here. What promotes it belongs to `state.promotions` and the champion step.
"""
