"""The lake: DuckLake tables under one write lock, content-addressed blobs and maintenance.

Code that stores or reads data belongs here. What the tables mean is not known here.
"""
