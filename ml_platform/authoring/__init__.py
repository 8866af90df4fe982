"""Writing a declaration for a table that nobody has declared yet: look, guess, write, prove."""
