"""What is piped is not cut at the 80 columns that are assumed where there is no terminal."""

import pytest
from rich.text import Text
from rich.tree import Tree

from ml_platform.cli.output import emit_tree

LONG = "training set: " + ", ".join(f"{number} rows of part {number}" for number in range(100))


def test_a_tree_is_cut_where_a_width_is_given_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = Tree(Text("root"))
    tree.add(Text(LONG, no_wrap=True, overflow="ellipsis"))
    monkeypatch.delenv("COLUMNS", raising=False)
    emit_tree(tree)
    whole = capsys.readouterr().out
    assert whole.splitlines()[1].endswith(LONG)
    monkeypatch.setenv("COLUMNS", "80")
    emit_tree(tree)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
