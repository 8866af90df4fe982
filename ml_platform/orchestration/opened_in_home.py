"""What Dagster's SQLite storages share here: DAGSTER_HOME is all their configuration, and they are opened in turns."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from dagster import StringSource
from dagster._serdes import ConfigurableClassData

from ml_platform.orchestration.opening_lock import opening_turn
from ml_platform.orchestration.storage_faults import SqliteFile, check_file
from ml_platform.private_files import make_private


class OpenedInHome:
    """A storage that Dagster opens by `config: {home: …}` in dagster.yaml. It comes before Dagster's class.

    `FILE` is the file that is checked before. Opening raises HomeBroken for one that nobody could work with.
    """

    FILE: ClassVar[SqliteFile]

    @classmethod
    @abstractmethod
    def in_home(cls, home: Path, inst_data: ConfigurableClassData | None) -> Self:
        """The storage with its files in `home`, which is DAGSTER_HOME, where they are by default.

        A file that it makes is for its owner only from the start.
        """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """`home`: DAGSTER_HOME."""
        return {"home": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Called by Dagster with the `config` of dagster.yaml."""
        home = Path(config_value["home"])
        with opening_turn(home):
            check_file(home, cls.FILE)
            make_private(home)
            return cls.in_home(home, inst_data)
