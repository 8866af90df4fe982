"""Fitted transforms of a model's columns: plain numbers, the same code for a frame and for a row (S60).

The words of a declaration are in `ml_platform.spec.transforms`; trainers and models know nothing of them.
"""
