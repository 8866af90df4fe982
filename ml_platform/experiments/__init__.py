"""Experiments: a changed declaration, trained on the pipeline's own data and compared with its champion (S46).

What changes a declaration, trains it beside production and judges it belongs here. An experiment reads the lake and
writes records and blobs of its own. What lists and compares experiments that are on record belongs to `views`.
"""
