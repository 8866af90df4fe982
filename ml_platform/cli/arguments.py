"""Arguments and options that several commands take."""

from typing import Annotated

import typer


def parse_version(text: str) -> tuple[str, int]:
    """`flight_delay@3` → ("flight_delay", 3). Raises BadParameter for another form."""
    name, _, number = text.partition("@")
    if not name or not number.isascii() or not number.isdecimal():
        raise typer.BadParameter(f"{text!r} is not a version. Write pipeline@number, such as flight_delay@3.")
    return name, int(number)


def _version(text: str) -> str:
    parse_version(text)
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("the reason is empty; the log needs one")
    return text


PipelineName = Annotated[
    str, typer.Argument(metavar="PIPELINE", help="Name of a pipeline; `ml-platform pipelines` lists them.")
]
VersionName = Annotated[
    str, typer.Argument(metavar="PIPELINE@N", callback=_version, help="A model version, such as flight_delay@3.")
]
Why = Annotated[str, typer.Option(help="The reason, kept in the log.", callback=_not_blank)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with stable keys (docs/cli.md).")]
Through = Annotated[str | None, typer.Option(metavar="PARTITION", help="The last partition to run, such as 2013-06.")]
Only = Annotated[str | None, typer.Option(metavar="PARTITION", help="Run only this partition.")]
Recompute = Annotated[
    bool, typer.Option("--recompute", help="Recompute settled partitions too, with new predictions and models.")
]
