"""Model libraries behind one shape: what a model may see, how it scores, and the bundle that stores it.

What knows a library or the bytes of a model belongs here. How training data are chosen belongs to `training`.
"""
