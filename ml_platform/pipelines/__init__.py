"""The shipped pipelines, one module each.

Only declarations belong here. Their example data belong to `demo`.
"""
