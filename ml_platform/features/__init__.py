"""Features: one definition, computed in batch and online with bit-equal results.

What computes features from rows belongs here. How features are declared belongs to `spec.features`.
"""

CODE_VERSION = (
    1  # of how features are computed; part of their content key, as is `FeatureDefinition.code_version` (S31)
)
