"""Predictions from a champion: what batch scoring and later services share."""
