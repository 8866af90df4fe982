"""A model card as Markdown."""

from ml_platform.escaping import markdown_code, markdown_text
from ml_platform.plots.markdown import Markdown, table
from ml_platform.views.model_card import wording as say
from ml_platform.views.model_card.card import ModelCard
from ml_platform.views.model_card.sections import Section, sections

_DIGESTS = ("Training set", "Bundle")


def markdown(card: ModelCard) -> str:
    """The card. All text in it is shown as text, whatever signs it holds."""
    facts = {
        name: Markdown(markdown_code(value)) if name in _DIGESTS else value for name, value in say.facts(card).items()
    }
    lines = [f"# {card.name}", "", markdown_text(card.description), *table(("what", ""), facts.items())]
    for section in sections(card):
        lines += ["", f"## {section.title}", *_body(section)]
    return "\n".join(lines) + "\n"


def _body(section: Section) -> list[str]:
    rows = [
        [_cell(section, number, column, text) for column, text in enumerate(row)]
        for number, row in enumerate(section.rows)
    ]
    return [
        *(["", markdown_text(section.note)] if section.note else []),
        *table(section.heads, rows),
        *([""] if section.items else []),
        *(f"- {markdown_text(item)}" for item in section.items),
    ]


def _cell(section: Section, number: int, column: int, text: str) -> str:
    if column in section.code:
        return Markdown(markdown_code(text))
    if number in section.bad and section.heads[column] == "outcome":
        return Markdown(f"**{markdown_text(text)}**")
    return text
