"""A report as a value, and the same as HTML and as Markdown.

The HTML is one file that needs nothing else: figures are inline SVG, there is no script, and it prints on white. The
Markdown names its figures as files beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

import numpy as np

from core.figures.figure import Figure, Table, Words
from core.figures.svg import draw

Shown = Figure | Table | Words
"""What a report shows."""
MOST_ROWS = 60
"""Rows of a table that are shown; the whole is in its CSV file."""
STYLE = """
:root{color-scheme:light}
body{font:15px/1.55 Inter,Helvetica,Arial,sans-serif;color:#222;background:#fff;max-width:820px;
margin:40px auto;padding:0 20px}
h1{font-size:28px;margin-bottom:4px}h2{font-size:20px;margin-top:40px;border-bottom:1px solid #ddd;padding-bottom:6px}
h3{font-size:15px;margin:26px 0 6px}.sub{color:#666;margin-top:0}figure{margin:0;break-inside:avoid}
svg{width:100%;height:auto}
figcaption{color:#555;font-size:13px}table{border-collapse:collapse;font-size:13px;margin:10px 0}
td,th{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid #eee;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}pre{background:#f6f6f6;padding:14px;font-size:12px;overflow:auto;
white-space:pre-wrap}@page{margin:16mm}@media print{body{margin:0;max-width:none;font-size:13px}
h2,h3,h2+p{break-after:avoid}tr,pre{break-inside:avoid}svg{max-height:90mm}h2{margin-top:28px}}
""".strip()


@dataclass(frozen=True)
class Section:
    """A chapter.

    Attributes:
        title: its heading.
        text: paragraphs.
        facts: names and values.
        figures: drawn, each with its title, help and summary.
        code: text that is shown as it stands.
    """

    title: str
    text: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figures: tuple[Shown, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Paper:
    """A report."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]

    def figures(self) -> dict[str, Shown]:
        """Every figure by the name of its file, without an ending."""
        all_of_them = (figure for section in self.sections for figure in section.figures)
        return {f"{place:02}-{_slug(figure.title)}": figure for place, figure in enumerate(all_of_them, 1)}


def html(paper: Paper) -> str:
    """One self-contained page."""
    parts = [f"<h1>{escape(paper.title)}</h1>", f'<p class="sub">{escape(paper.subtitle)}</p>']
    known: set[str] = set()
    for section in paper.sections:
        parts.append(f"<h2>{escape(section.title)}</h2>")
        parts += [f"<p>{escape(text)}</p>" for text in section.text]
        if section.facts:
            rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(said)}</td></tr>" for name, said in section.facts)
            parts.append(f"<table>{rows}</table>")
        parts += [_figure_html(figure, within=section.title, help=_new(figure, known)) for figure in section.figures]
        if section.code:
            parts.append(f"<pre>{escape(section.code)}</pre>")
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(paper.title)}</title>'
    return f"{head}<style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"


def markdown(paper: Paper, *, folder: str) -> str:
    """The same as Markdown, its figures as files in `folder`."""
    files = iter(paper.figures())
    parts = [f"# {paper.title}", paper.subtitle]
    known: set[str] = set()
    for section in paper.sections:
        parts += [f"## {section.title}", *section.text]
        if section.facts:
            parts.append("\n".join(["| | |", "|---|---|", *(f"| {_cell(n)} | {_cell(s)} |" for n, s in section.facts)]))
        for figure in section.figures:
            file = next(files)
            written = _table_markdown(figure) if isinstance(figure, Table | Words) else ""
            shown = written or f"![{figure.title}]({folder}/{file}.svg)"
            said = f"{_summary(figure)} {_new(figure, known)}".strip()
            parts += [*([f"### {figure.title}"] if figure.title != section.title else []), shown, *filter(None, [said])]
        if section.code:
            parts.append(f"```yaml\n{section.code.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _figure_html(figure: Shown, *, within: str, help: str) -> str:
    """A figure with its title, unless the chapter has just said it, and `help` below."""
    title = "" if figure.title == within else f"<h3>{escape(figure.title)}</h3>"
    body = _table_html(figure) if isinstance(figure, Table | Words) else draw(figure)
    summary = _summary(figure)
    said = f"<b>{escape(summary)}</b> {escape(help)}" if summary else escape(help)
    caption = f"<figcaption>{said}</figcaption>" if said else ""
    return f"<figure>{title}{body}{caption}</figure>"


def _table_html(table: Table | Words) -> str:
    kind = ' class="n"' if isinstance(table, Table) else ""
    heads, lines = _cells(table)
    head = "".join(f"<th{kind}>{escape(column)}</th>" for column in heads)
    rows = "".join(
        f"<tr><td>{escape(name)}</td>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell in cells) + "</tr>"
        for name, cells in lines
    )
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _table_markdown(table: Table | Words) -> str:
    heads, rows = _cells(table)
    lines = [["", *heads], ["---"] * (len(heads) + 1), *([name, *cells] for name, cells in rows)]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cells(table: Table | Words) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The heads and the rows that are shown, as text."""
    if isinstance(table, Words):
        return list(table.columns), [(name, list(cells)) for name, cells in zip(table.rows, table.cells, strict=True)]
    rows = list(zip(table.rows, table.values.tolist(), strict=True))[:MOST_ROWS]
    return [column.text for column in table.columns], [
        (name, [_number(one) for one in values]) for name, values in rows
    ]


def _summary(figure: Shown) -> str:
    """What a drawing shows, in a sentence; a table says itself."""
    return "" if isinstance(figure, Table | Words) else figure.summary()


def _new(figure: Shown, known: set[str]) -> str:
    """How to read a figure, where none before it has said so."""
    found = "" if figure.help in known else figure.help
    known.add(figure.help)
    return found


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]
