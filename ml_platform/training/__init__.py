"""Training sets, fitting a model on them, and reproducing a model.

What chooses training data and labels belongs here. What knows a model library belongs to `models`.
"""
