"""A starter declaration for projects without a file to draft from. It loads and runs, and is meant to be edited."""

from importlib.resources import files

_NAME = "STARTER"  # what the template calls its pipeline


def starter(name: str) -> str:
    """The text of a module that declares a pipeline of that name, which `identifiers.check_name` accepts."""
    template = files(__package__).joinpath("starter_template.py").read_text(encoding="utf-8")
    return template.replace(_NAME, name)
