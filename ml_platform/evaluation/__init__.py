"""Judging a candidate: metrics, intervals, gates, the model card."""
