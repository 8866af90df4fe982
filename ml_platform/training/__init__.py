"""Training sets, the model fitted on them, and making it again."""
