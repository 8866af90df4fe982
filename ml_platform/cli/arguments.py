"""Arguments and options that several commands take."""

from typing import Annotated

import typer

from ml_platform.errors import NotFoundError

PipelineName = Annotated[str, typer.Argument(help="Name of a pipeline; `ml-platform pipelines` lists them.")]
VersionName = Annotated[str, typer.Argument(help="A model version, as pipeline@number, such as flight_delay@3.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with stable keys (docs/cli.md).")]


def parse_version(text: str) -> tuple[str, int]:
    """`flight_delay@3` → ("flight_delay", 3). Raises NotFoundError for another form."""
    name, _, number = text.partition("@")
    if not name or not number.isdecimal():
        raise NotFoundError("version", text, ["write it as pipeline@number, such as flight_delay@3"])
    return name, int(number)
