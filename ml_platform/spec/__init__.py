"""The vocabulary of declarations: words and their validation.

No input or output belongs here.
"""
