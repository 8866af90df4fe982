"""The model store: bundles, versions, verdicts and the promotion log."""
