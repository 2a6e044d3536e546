"""Tables of PDF pages as lines that can be read alone, also where a page ends within a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ingest.readers.pdf_tables import Table
from ingest.readers.sheet import Budget, Row, SheetLines, row_of

Blocks = Sequence[str | Table]
"""What a page consists of, in order."""

_MOST_LINES_BETWEEN = 2
_SAME_PLACE = 12.0


def with_lines(pages: Sequence[Blocks], path: str, plain: Callable[[str], str]) -> list[list[str]]:
    """The blocks of each page with every table as lines. `plain` cleans the text of a cell.

    A table that goes on where a page began keeps its header. Raises UnreadableFile (too_large).
    """
    budget = Budget(path)
    made = [[block if isinstance(block, str) else "" for block in page] for page in pages]
    for chain in _chains(pages):
        sheet, counts = SheetLines(budget), list[int]()
        for _, _, table in chain:
            rows = [row for row in _rows(table, plain) if row]
            counts.append(len(rows))
            for row in rows:
                sheet.add(row)
        lines = iter(sheet.text().split("\n"))
        for (page, block, _), count in zip(chain, counts, strict=True):
            made[page][block] = "\n".join(next(lines) for _ in range(count))
    return made


def _rows(table: Table, plain: Callable[[str], str]) -> Iterator[Row]:
    return (row_of(map(plain, row)) for row in table.rows)


_Placed = tuple[int, int, Table]


def _chains(pages: Sequence[Blocks]) -> list[list[_Placed]]:
    """Tables by page and block; those that are one are together."""
    chains: list[list[_Placed]] = []
    for page, blocks in enumerate(pages):
        for at, block in enumerate(blocks):
            if isinstance(block, str):
                continue
            if chains and _goes_on(chains[-1], page, at, block, pages):
                chains[-1].append((page, at, block))
            else:
                chains.append([(page, at, block)])
    return chains


def _goes_on(
    chain: Sequence[_Placed], page: int, at: int, table: Table, pages: Sequence[Blocks]
) -> bool:
    """Whether only the foot of one page and the head of the next stand between two tables."""
    last_page, last_at, last = chain[-1]
    if page != last_page + 1 or len(table.cuts) != len(last.cuts):
        return False
    between = [_lines(pages[last_page][last_at + 1 :]), _lines(pages[page][:at])]
    if max(between) > _MOST_LINES_BETWEEN:
        return False
    if table.rows[0] == chain[0][2].rows[0]:
        # It says its header again.
        return False
    return all(abs(a - b) <= _SAME_PLACE for a, b in zip(table.cuts, last.cuts, strict=True))


def _lines(blocks: Blocks) -> int:
    texts = [block for block in blocks if isinstance(block, str)]
    if len(texts) < len(blocks):
        return _MOST_LINES_BETWEEN + 1
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())
