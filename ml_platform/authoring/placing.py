"""Where a declaration and its tests belong, and putting them there: both whole or neither, never over another file."""

import importlib.util
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_platform.errors import AuthoringError, UnfitArgument


@dataclass(frozen=True)
class Destination:
    """The two files of a draft.

    module:     how the declaration is imported.
    discovered: whether the settings list its package already.
    """

    declaration: Path
    tests: Path
    module: str
    discovered: bool


def destination(name: str, to: Path | None, packages: Sequence[str]) -> Destination:
    """The destination in `to`, else in the first of `packages` that is a folder of ours to write to.

    Tests go to the mirror of the package, `<package>_tests`, where there is one, else to `tests` beside
    the declaration. Raises AuthoringError when no folder is given and none fits, UnfitArgument when the given one
    is none, a file is there already, or another module would be imported by the same name.
    """
    folders = {folder: package for package in packages for folder in _folders(package)}
    folder = to.absolute() if to is not None else next(filter(_ours, folders), None)
    if folder is None:
        raise AuthoringError(
            f"No folder of your own declares pipelines: {', '.join(packages)} (ML_PLATFORM_PIPELINES) are installed, "
            "modules or not writable.",
            remedy="Say where it goes with --to FOLDER.",
        )
    there = next(path for path in (folder, *folder.parents) if path.exists())  # what is missing below it is made
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UnfitArgument(f"{there} is no folder that can be written to.", remedy="Name another by --to.")
    root, inner = _package(folder)
    parts = [root.name, *inner, name] if root is not None else [name]
    tests = folder / "tests"
    if root is not None and (mirror := root.parent / f"{root.name}_tests").is_dir():
        tests = mirror.joinpath(*inner)
    files = Destination(folder / f"{name}.py", tests / f"test_{name}.py", ".".join(parts), folder in folders)
    for file in (files.declaration, files.tests, folder / name):
        if file.exists():
            raise UnfitArgument(f"{file} exists already.", remedy="Choose another name; nothing is overwritten.")
    if root is None and importlib.util.find_spec(name) is not None:
        raise UnfitArgument(
            f"{name!r} is a Python module here, which {files.declaration} would hide, or be hidden by.",
            remedy="Choose another name.",
        )
    return files


def publish(files: Mapping[Path, str]) -> None:
    """Write all of the files, or none: each is complete before any has its name.

    Folders that are missing are made, as packages below a package. Raises AuthoringError when a file
    appeared in the meantime.
    """
    written: list[Path] = []
    waiting: list[tuple[Path, Path]] = []
    try:
        for file, text in files.items():
            written += _folders_for(file.parent)
            hidden = file.parent / f".{uuid.uuid4().hex}.tmp"
            waiting.append((hidden, file))
            hidden.write_text(text, encoding="utf-8")
        for hidden, file in waiting:
            os.link(hidden, file)  # refuses where something is, unlike a rename
            written.append(file)
    except BaseException as error:
        for path in [*(hidden for hidden, _ in waiting), *reversed(written)]:
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError) and error.filename2 is not None:
            raise AuthoringError(f"{error.filename2} exists already.", remedy="Choose another name.") from None
        raise
    for hidden, _ in waiting:
        hidden.unlink()


def _folders(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return []
    return [Path(path).absolute() for path in (spec.submodule_search_locations if spec else None) or []]


def _ours(folder: Path) -> bool:
    installed = {"site-packages", "dist-packages"} & set(folder.parts)
    return not installed and os.access(folder, os.W_OK)


def _package(folder: Path) -> tuple[Path | None, list[str]]:
    """The outermost package around a folder, and the way from it to the folder."""
    root, inner = None, list[str]()
    while (folder / "__init__.py").exists():
        if root is not None:
            inner.insert(0, root.name)
        root, folder = folder, folder.parent
    return root, inner


def _folders_for(folder: Path) -> list[Path]:
    """Make a folder and those above it that are missing; what was made, outermost first."""
    if folder.is_dir():
        return []
    created = _folders_for(folder.parent)
    folder.mkdir()
    created.append(folder)
    if (folder.parent / "__init__.py").exists():
        (folder / "__init__.py").touch()
        created.append(folder / "__init__.py")
    return created
