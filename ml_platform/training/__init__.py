"""Training sets, the model that is fitted on them, and its reproduction.

Code that knows a model library belongs to `models`.
"""
