"""The `ml-platform` command."""
