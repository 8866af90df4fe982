"""Pages of the service for people: HTML that is whole in one file, from the values that its routes answer in JSON.

What a page shows and how it looks belongs here. What is true of the service does not.
"""
