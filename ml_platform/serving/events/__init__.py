"""Events (S36): rows of tables that are posted online, seen by the next prediction and landed as files for the lake.

What takes, keeps, applies and lands events belongs here. What is HTTP belongs to `serving.rest`.
"""
