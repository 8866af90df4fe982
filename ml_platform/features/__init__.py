"""Features: one definition, computed for many examples at once and for one at a time, to the same bits."""

CODE_VERSION = 1  # of how features are computed; part of their content key (S31)
