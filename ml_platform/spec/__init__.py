"""The vocabulary of declarations: words and their validation, no input or output."""
