"""The only package that imports dagster."""
