"""Searches for a trainer's parameters: trials on folds of the training and validation parts, on record (S62).

What measures a trial, suggests the next one and replaces a searched trainer by the chosen one belongs here. How a model
is fitted belongs to `models`, and what a gate measures to `evaluation`. The holdout is read after the choice only.
"""
