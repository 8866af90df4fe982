import pytest

from ml_platform.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("\n The disk is full.\nDetails follow."), "The disk is full"),
        (OSError(), "OSError"),
        (ValueError(" \n"), "ValueError"),
        (ValueError("x" * 1000), "x" * 300),
    ],
)
def test_the_first_line_of_an_error_can_stand_in_another_message(error: BaseException, line: str) -> None:
    assert first_line(error) == line
