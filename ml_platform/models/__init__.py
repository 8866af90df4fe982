"""Model libraries behind one protocol: trainers, models, what a model may see, and the bundle that stores it.

What knows a library or the bytes of a model belongs here. How training data are chosen belongs to `training`.
"""
