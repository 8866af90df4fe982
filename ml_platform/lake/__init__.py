"""The lake: DuckLake connection, write transactions, content-addressed blobs and maintenance.

What stores and reads bytes and tables belongs here. What the tables mean belongs to the layers above.
"""
