from ml_platform.lake.recipes import Read, Recipe, recipe
from ml_platform.spec.canonical import content_key

FIRST, SECOND, THIRD = (Read("validated/flights", f"2013-0{n}", f"key{n}") for n in (1, 2, 3))


def test_the_reads_among_the_parts_are_hashed_and_kept_once() -> None:
    built = recipe("features", 1, [FIRST, SECOND], {"since": None}, (FIRST,))
    assert built == Recipe(content_key("features", 1, [FIRST, SECOND], {"since": None}, (FIRST,)), (FIRST, SECOND))


def test_what_is_read_by_content_is_kept_and_not_hashed() -> None:
    built = recipe("candidate", "digest", by_content=[THIRD])
    assert built == Recipe(content_key("candidate", "digest"), (THIRD,))
