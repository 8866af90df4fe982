"""`ml_platform.open()`: where a notebook begins."""

from pathlib import Path

from ml_platform.notebook.platform import Platform
from ml_platform.settings import Settings


def open(data: str | Path | None = None) -> "Platform":
    """The platform over a lake that exists, for reading only; runs neither wait for it nor disturb it.

    `data` is the data folder, which holds `lake/`; without it the settings say where it is
    (ML_PLATFORM_DATA). All other settings, such as ML_PLATFORM_CATALOG, are those of the environment.
    A lake that older code made is migrated first.

    Raises LakeError when there is no lake yet, and StateError for one that newer code made.

    >>> platform = ml_platform.open("data")
    >>> platform["flight_delay"].predictions("2013-02").collect()
    """
    from ml_platform.runtime.workspace import Workspace

    settings = Settings() if data is None else Settings(data=Path(data))
    # A notebook may change its working directory; the lake stays where it is.
    settings = settings.model_copy(update={"data": settings.data.resolve()})
    return Platform(Workspace.open_for_reading(settings, {}))
