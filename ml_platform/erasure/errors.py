"""What is raised where rows cannot be forgotten."""

from ml_platform.errors import PlatformError


class ErasureRefused(PlatformError):
    """A key names no entity, or something at work would bring its rows back."""
