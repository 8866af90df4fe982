"""Damage to files, as disks and people do it."""

from pathlib import Path


def flip_a_byte(path: Path) -> None:
    """Change one byte in the middle; the size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def table_files(tables: Path, table: str) -> list[Path]:
    """The data files of a table, `schema.name`, below the folder of the tables."""
    schema, _, name = table.partition(".")
    files = sorted((tables / schema / name).rglob("*.parquet"))
    assert files
    return files
