"""Operational state: which files, outputs, versions, verdicts, promotions and alerts are on record.

Small rows that the platform decides by belong here. Data belongs to `lake`, what people look at to `views`.
"""
