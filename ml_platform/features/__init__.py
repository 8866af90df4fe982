"""Features: one definition, computed for many examples at once and for one at a time, to the same bits.

Code that computes features belongs here. How they are declared belongs to `spec.features`.
"""

CODE_VERSION = 1  # of how features are computed; part of their content key (S31)
