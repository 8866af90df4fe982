"""Python as text, one statement a line: `formatting` lays it out."""


def call(function: str, *values: str, **named: str) -> str:
    """A call, its arguments given as Python.

    >>> call("Split", "0.1", holdout="0.2")
    'Split(0.1, holdout=0.2)'
    """
    return f"{function}({', '.join([*values, *(f'{name}={value}' for name, value in named.items())])})"


def commented(argument: str, *remarks: str) -> str:
    """An argument with each remark as a comment line above it. Empty remarks are left out."""
    comments = [comment(remark) for remark in remarks if remark]
    return "\n".join(["", *comments, argument]) if comments else argument


def comment(remark: str) -> str:
    """A remark as one comment line."""
    return f"# {_printable(remark)}"


def docstring(remark: str) -> str:
    """A remark as a docstring on one line."""
    plain = _printable(remark).replace("\\", "/").replace('"""', "'''")
    return f'"""{plain[:-1]}\'"""' if plain.endswith('"') else f'"""{plain}"""'


def _printable(remark: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in remark)
