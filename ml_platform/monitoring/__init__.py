"""Monitoring: drift, realised and estimated performance, freshness, and alerts with their delivery.

What compares production data with training data belongs here. What decides to retrain belongs to `retraining`.
"""
