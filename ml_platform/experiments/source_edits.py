"""Edits of plain values in the text of a declaration, by its syntax tree; comments and layout stay."""

import ast
import inspect
from collections.abc import Collection, Sequence
from typing import Any

from ml_platform.spec.features import Feature


class CannotEdit(Exception):
    """The text does not say plainly where the value is."""


class DeclarationText:
    """The text of a Python file that declares the pipeline of that name.

    is_declared: whether it has one such call of `ModelPipeline`.
    """

    def __init__(self, text: str, pipeline: str) -> None:
        self._lines = text.encode().splitlines(keepends=True)
        self._edits: list[tuple[int, int, str]] = []
        try:
            self._tree = ast.parse(text)
        except SyntaxError:
            self._tree = ast.Module([], [])
        calls = [node for node in ast.walk(self._tree) if isinstance(node, ast.Call)]
        named = [call for call in calls if _called(call) == "ModelPipeline" and self._name(call) == pipeline]
        self.is_declared = len(named) == 1
        self._call = named[0] if self.is_declared else None

    def replace_argument(self, path: Sequence[str], text: str) -> None:
        """Put `text` in place of the argument at the end of the path, such as ["trainer", "num_leaves"].

        An argument that is not written is added. Raises CannotEdit.
        """
        call = self._call
        if call is None:
            raise CannotEdit
        *words, last = path
        for word in words:
            call = self._as_call(_argument(call, word))
        self._replace(call, last, text, whole=not words)

    def replace_of_feature(self, features: Sequence[Feature], output: str, name: str, text: str) -> None:
        """Put `text` in place of an argument of the feature with that output. Raises CannotEdit."""
        nodes = self._written_features(features)
        index = next((i for i, feature in enumerate(features) if output in feature.outputs), len(nodes))
        if index >= len(nodes):
            raise CannotEdit
        self._replace(self._as_call(nodes[index]), name, text, whole=False)

    def _as_call(self, node: ast.expr | None) -> ast.Call:
        resolved = self._resolved(node)
        if not isinstance(resolved, ast.Call):
            raise CannotEdit
        return resolved

    def _replace(self, call: ast.Call, last: str, text: str, *, whole: bool) -> None:
        there = _argument(call, last)
        if there is None:
            self._add(call, f"{last}={text}")
        elif isinstance(there, ast.Name) or not _is_plain(there, whole):
            raise CannotEdit
        elif (*self._span(there), text) not in self._edits:
            self._edits.append((*self._span(there), text))

    def drop_features(self, features: Sequence[Feature], dropped: Collection[str]) -> list[str]:
        """Drop outputs from the list of features. Returns those that it could not drop."""
        nodes = self._written_features(features)
        if not nodes:
            return list(dropped)
        undropped, emptied = list[str](), set[int]()
        for index, (feature, node) in enumerate(zip(features, nodes, strict=True)):
            gone = [name for name in feature.outputs if name in dropped]
            reduced = feature.without(gone) if gone else (feature,)
            try:
                if not reduced:
                    emptied.add(index)
                elif gone:
                    self._reduce(node, feature, reduced)
            except CannotEdit:
                undropped += gone
        self._remove(nodes, emptied)
        return undropped

    def edited(self) -> str:
        """The text with the edits. Raises CannotEdit if two of them overlap, or it is no Python any more."""
        data, edits = b"".join(self._lines), list[tuple[int, int, str]]()
        for start, end, text in sorted(self._edits):
            if edits and start < edits[-1][1]:
                if text or edits[-1][2]:
                    raise CannotEdit
                edits[-1] = edits[-1][0], max(end, edits[-1][1]), ""  # of several that are removed in a row
            else:
                edits.append((start, end, text))
        for start, end, text in reversed(edits):
            data = data[:start] + text.encode() + data[end:]
        try:
            ast.parse(data)
        except SyntaxError:
            raise CannotEdit from None
        return data.decode()

    def _written_features(self, features: Sequence[Feature]) -> list[ast.expr]:
        """The list of features as it is written, one node each; empty where it is not plainly a list of them."""
        listed = self._resolved(_argument(self._call, "features")) if self._call is not None else None
        nodes = listed.elts if isinstance(listed, ast.List) else []
        return nodes if len(nodes) == len(features) else []

    # -- parts -------------------------------------------------------------------------------

    def _reduce(self, node: ast.expr, feature: Feature, reduced: Sequence[Feature]) -> None:
        if not isinstance(node, ast.Call) or len(reduced) != 1:
            raise CannotEdit
        if feature.expressions:
            gone = {i for i, one in enumerate(node.keywords) if one.arg not in reduced[0].outputs}
            if node.args or len(node.keywords) - len(gone) != len(reduced[0].outputs):
                raise CannotEdit
            self._remove(node.keywords, gone)
            return
        for name in feature.output_parameters:
            new = getattr(reduced[0], name)
            if new != getattr(feature, name):
                there = _argument(node, name)
                if not isinstance(there, ast.List):
                    raise CannotEdit
                self._edits.append((*self._span(there), python_text(new)))

    def _remove(self, siblings: Sequence[Any], indexes: Collection[int]) -> None:
        """Remove some of several, each with the comma after it, or before it where none is kept after it."""
        kept = [index for index in range(len(siblings)) if index not in indexes]
        for index in indexes:
            start, end = self._span(siblings[index])
            if kept and index < kept[-1]:
                end = self._span(siblings[index + 1])[0]
            elif kept:
                start = self._span(siblings[kept[-1]])[1]
            self._edits.append((start, end, ""))

    def _add(self, call: ast.Call, text: str) -> None:
        arguments = [*call.args, *call.keywords]
        if any(isinstance(one, ast.Starred) or getattr(one, "arg", "") is None for one in arguments):
            raise CannotEdit
        if arguments:
            end = max(self._span(one)[1] for one in arguments)
            self._edits.append((end, end, f", {text}"))
        else:
            end = self._span(call)[1] - 1
            self._edits.append((end, end, text))

    def _resolved(self, node: ast.expr | None) -> ast.expr | None:
        """The value of a name that the file assigns once, at its top."""
        if not isinstance(node, ast.Name):
            return node
        assigned = [
            one.value
            for one in self._tree.body
            if isinstance(one, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == node.id for target in one.targets)
        ]
        return assigned[0] if len(assigned) == 1 else None

    def _name(self, call: ast.Call) -> Any:
        name = self._resolved(_argument(call, "name"))
        return name.value if isinstance(name, ast.Constant) else None

    def _span(self, node: Any) -> tuple[int, int]:
        """Where a node begins and ends, in bytes of the text."""
        starts = sum(len(line) for line in self._lines[: node.lineno - 1])
        ends = sum(len(line) for line in self._lines[: node.end_lineno - 1])
        return starts + node.col_offset, ends + node.end_col_offset


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    """The argument of that name, by keyword or by position."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    import ml_platform

    word = getattr(ml_platform, _called(call), None)
    names = list(inspect.signature(word).parameters) if word is not None else []
    position = names.index(name) if name in names else len(call.args)
    return call.args[position] if position < len(call.args) else None


def _is_plain(node: ast.expr, whole_word: bool) -> bool:
    """Whether a value is written out: a literal, or a word where the whole of it is replaced."""
    if whole_word and isinstance(node, ast.Call):
        return True
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def python_text(value: Any) -> str:
    """A plain value as Python, texts in double quotes.

    >>> python_text(["a", 2, None])
    '["a", 2, None]'
    """
    if isinstance(value, str):
        return '"' + repr("'" + value)[2:-1].replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(python_text, value))}]"
    return repr(value)
