"""Predictions of a champion, in batch.

What turns feature rows into predictions belongs here. What trains or stores models belongs to `training` and `models`.
"""
