"""The steps of a pipeline, one module each: what a step reads, its content key and its work.

What one step does belongs here. What all steps share belongs to `runtime`, algorithms belong to the layers below.
"""
