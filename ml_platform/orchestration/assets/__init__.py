"""Asset factories, one a layer."""
