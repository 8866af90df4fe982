"""Monitoring of a model that serves: drift, realised performance, freshness, alerts and the Evidently report.

Code that judges a candidate before it serves belongs to `evaluation`.
"""
