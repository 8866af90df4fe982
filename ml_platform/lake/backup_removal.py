"""Removes older backups from their folder, and the stored files that no backup names any more."""

from dataclasses import dataclass
from pathlib import Path

from ml_platform.lake import durable
from ml_platform.lake.backup_store import BackupStore, writing


@dataclass(frozen=True)
class Removed:
    """What was removed: the names of backups, and how many stored files and bytes no other backup names."""

    backups: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0


def keep_newest(store: BackupStore, number: int) -> Removed:
    """Keep the newest backups and remove the older ones, then all stored files that none names. Under the store's lock.

    A backup whose list is damaged does not count as one of the newest. While such a list is newer than the oldest
    backup that is kept, no stored file is removed: nobody knows which ones it names.

    Args:
        store: The folder of backups.
        number: How many backups to keep; 1 or more.

    Raises:
        BackupError: When the folder is not writable.
    """
    kept = [backup for backup, _ in zip(store.readable(), range(number), strict=False)]
    older = tuple(name for name in store.names() if name < kept[-1].name) if len(kept) == number else ()
    with writing(store.folder):
        for name in older:
            store.list_path(name).unlink()
        if older:
            durable.sync_folder(store.list_path(older[0]).parent)  # before what they name is gone
        if len(store.names()) > len(kept):
            return Removed(older)
        named = {file.sha256 for backup in kept for file in backup.files}
        return _remove(older, [path for path in store.objects() if path.name not in named])


def _remove(backups: tuple[str, ...], unnamed: list[Path]) -> Removed:
    size = 0
    for path in unnamed:
        size += path.stat().st_size
        path.unlink()
    return Removed(backups, len(unnamed), size)
