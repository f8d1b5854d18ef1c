"""README stays short: a newcomer decides in two minutes."""

from __future__ import annotations

import re

from tests import pages

MOST_WORDS, MOST_FIGURES, MOST_CLAIMS = 900, 60, 8
TABLES = ("Beside its neighbours", "Evidence")
ORDER = ("For whom", "Install", "One minute on the command line", "In Python", "Beside its neighbours",
         "Four published systems", "Evidence", "What you can trust", "Where to read on", "Cite")  # fmt: skip
README = pages.read(pages.README)


def rows(title: str) -> list[str]:
    return re.findall(r"^\|.*\|$", pages.section(README, title), re.MULTILINE)[2:]


def test_it_is_short() -> None:
    text = pages.prose(pages.without_tables(README, TABLES))
    assert 500 < pages.words(text) <= MOST_WORDS, pages.words(text)
    assert 5 < pages.figures(text) <= MOST_FIGURES, pages.figures(text)


def test_words_and_figures_are_counted() -> None:
    text = "# A title\n\n```\ncode 1 2\n```\n\n    more code 3\n\nSee [two words](docs/x.md#4): 5.5 % of 1,000, 3x3.\n"
    assert pages.words(pages.prose(text)) == 9
    assert pages.figures(pages.prose(text)) == 3
    table = "\n## Evidence\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nBelow 3.\n\n## Cite\n\n| 4 |\n"
    assert pages.figures(pages.without_tables(table, ("Evidence",))) == 2


def test_it_has_its_order_and_one_picture() -> None:
    assert tuple(re.findall(r"^## (.+)$", README, re.MULTILINE)) == ORDER
    assert len(re.findall(r"!\[", README)) == 1


def test_evidence_has_few_claims_each_with_figure_n_and_link() -> None:
    claims = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows("Evidence")]
    assert 4 < len(claims) <= MOST_CLAIMS
    for claim, figure, n, more in claims:
        assert re.search(r"\d", n) and "](docs/evidence.md#" in more, claim
        assert re.search(r"\d", figure) and not pages.figures(claim), claim
    assert sum("**" in claim for claim, *_ in claims) >= 4  # what speaks against it is marked


def test_what_can_be_trusted_is_five_lines() -> None:
    assert len(re.findall(r"^- \*\*", pages.section(README, "What you can trust"), re.MULTILINE)) == 5


def test_every_page_is_on_the_map() -> None:
    mapped = set(re.findall(r"\(docs/(\w+)\.md\)", pages.section(README, "Where to read on")))
    assert mapped == {path.stem for path in pages.PAGES[1:]} - set(pages.SITE)
