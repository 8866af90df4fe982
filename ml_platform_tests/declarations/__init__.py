"""What ML_PLATFORM_PIPELINES names in tests: one module for each set of pipelines that is declared together."""
