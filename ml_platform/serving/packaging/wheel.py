"""A wheel that answers beside the model's library and polars alone."""

import base64
import hashlib
from pathlib import Path

from ml_platform.models.archive import archived
from ml_platform.serving.packaging.built import Built, write_file
from ml_platform.serving.packaging.packaged_version import PackagedVersion


def build(version: PackagedVersion, folder: Path) -> Built:
    """Write `<pipeline>_model-<version>-py3-none-any.whl` into a folder."""
    name, data = wheel_of(version)
    return write_file(folder / name, data)


def wheel_of(version: PackagedVersion) -> tuple[str, bytes]:
    """The file name and the bytes of the wheel; equal versions give equal bytes."""
    distribution = f"{version.module}-{version.manifest.version}"
    info = f"{distribution}.dist-info"
    files = version.files()
    files[f"{info}/METADATA"] = _metadata(version).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: ml_platform\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = f"{info}/RECORD"
    lines = [f"{path},sha256={_hash(data)},{len(data)}\n" for path, data in sorted(files.items())]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    return f"{distribution}-py3-none-any.whl", archived(files, last=(record,))


def _hash(data: bytes) -> str:
    """As RECORD has it: the digest in URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _metadata(version: PackagedVersion) -> str:
    manifest = version.manifest
    requires = "".join(f"Requires-Dist: {name}=={number}\n" for name, number in manifest.libraries.items())
    return (
        f"Metadata-Version: 2.1\nName: {version.module}\nVersion: {manifest.version}\n"
        f"Summary: The model {version.name}\nRequires-Python: >=3.11\n{requires}"
        f"Description-Content-Type: text/markdown\n\n{readme(version)}"
    )


def readme(version: PackagedVersion) -> str:
    """What the package is and how it is asked, as Markdown, with the model card."""
    definition = version.definition
    columns = "\n".join(f"- `{name}`: {dtype}" for name, dtype in definition.row_schema.items())
    looked_up = [name for form in definition.joined for name in form.outputs]
    state = "\n".join(f"- `{name}`: {definition.outputs[name]}" for name in looked_up) or "None: nothing is looked up."
    return _README.format(
        name=version.name, module=version.module, columns=columns, state=state, card=version.manifest.card.rstrip()
    )


_README = """# {module}

The model {name}, with the code that computes its features. It needs no lake and no service.

    import {module}

    model = {module}.load()
    answers = model.predict(rows)

`rows` are mappings of Python values, or a polars frame, with these columns and no other; None is an unknown value:

{columns}

`model.predict(rows, state)` also takes what the platform would look up: for each row a mapping with some of these
features, or None. What is left out is missing, and `missing` of the answer names it.

{state}

Answers have `score`, `scores`, `class_name`, `features`, `statuses`, `missing`, `key` and `version`.
`{module}.about()` gives the model card, the libraries and the JSON schema of a request.

{card}
"""
