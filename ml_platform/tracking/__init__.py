"""Runs on a tracking server: what of experiments and versions MLflow gets, and how it is sent over its REST API.

What runs are and how they are listed belongs to `views` and `experiments`. Nothing that a pipeline decides reads this.
"""
