"""Real data for the examples, brought from installed packages into the landing folder."""
