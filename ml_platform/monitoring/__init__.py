"""What became of the predictions."""
