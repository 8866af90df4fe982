"""The examples in docstrings give what they show."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import ml_platform

ROOT = Path(ml_platform.__file__).parent
PACKAGES = (
    "evaluation",
    "features",
    "lake",
    "models",
    "monitoring",
    "plots",
    "quality",
    "retraining",
    "serving",
    "spec",
    "training",
    "validation",
)
EXAMPLE = ">>> "
MODULES = [
    path.relative_to(ROOT.parent).with_suffix("").as_posix().replace("/", ".")
    for path in [*sorted(ROOT.glob("*.py")), *(one for name in PACKAGES for one in sorted((ROOT / name).rglob("*.py")))]
    if EXAMPLE in path.read_text()
]
WORDS = [name for name, module in ml_platform._HOME_OF.items() if module.startswith("spec.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_of_a_module_is_run_and_gives_what_it_shows(name: str) -> None:
    module = import_module(name)
    failed, attempted = doctest.testmod(module)
    assert failed == 0
    assert attempted == Path(str(module.__file__)).read_text().count(EXAMPLE)


@pytest.mark.parametrize("name", WORDS)
def test_every_word_of_a_declaration_has_an_example(name: str) -> None:
    assert EXAMPLE in (getattr(ml_platform, name).__doc__ or "")
