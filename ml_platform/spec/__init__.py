"""The vocabulary of declarations: pydantic models and their validation.

What a user writes in a declaration belongs here. No input or output belongs here.
"""
