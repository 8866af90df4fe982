"""Predictions from a champion: what batch scoring and services share.

Code that reads or writes the lake belongs to `steps`.
"""
