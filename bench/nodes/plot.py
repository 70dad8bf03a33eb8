"""The plot docs/benchmarks/nodes.svg, from the numbers: a bar a contender, its spread as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from nodes.tables import CHAINS, CONTENDERS

if TYPE_CHECKING:
    from nodes.figures import Figure, Report

_SVG = "http://www.w3.org/2000/svg"
_WIDTH, _LEFT, _RIGHT = 860, 230, 90
_TITLE, _BAR, _ROW, _GAP = 26, 13, 19, 16
_OWN, _OTHER, _SPREAD, _TEXT = "#c2410c", "#94a3b8", "#1e293b", "#1e293b"
_STYLE = (
    f"text{{font:12px sans-serif;fill:{_TEXT}}}.t{{font-weight:bold;font-size:13px}}.n{{text-anchor:end}}"
)


def plot(report: Report) -> str:
    """Return the whole picture as SVG."""
    parts, top = [], _GAP
    for chain in CHAINS:
        for phase in chain.phases:
            found = [figure for name in chain.does if (figure := report.figure(phase.key, name))]
            # A panel of one bar compares nothing.
            if len(found) > 1:
                title = f"{phase.title}: {_count(report.chains[chain.key].nodes)}, seconds"
                parts += _panel(title, sorted(found, key=lambda figure: figure.median), top)
                top += _TITLE + _ROW * len(found) + _GAP
    head = (
        f'<svg xmlns="{_SVG}" width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}" role="img">',
        "<title>Setting up nodes: seconds, median and spread</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{top}" fill="#ffffff"/>',
    )
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _panel(title: str, figures: list[Figure], top: int) -> list[str]:
    scale = (_WIDTH - _LEFT - _RIGHT) / max(max(figure.seconds) for figure in figures)
    parts = [f'<text class="t" x="10" y="{top + 14}">{escape(title)}</text>']
    for number, figure in enumerate(figures):
        y = top + _TITLE + _ROW * number
        middle, length = y + _BAR / 2, scale * figure.median
        least, most = (_LEFT + scale * value for value in (min(figure.seconds), max(figure.seconds)))
        colour = _OWN if figure.contender.startswith("kiln") else _OTHER
        parts += [
            f'<text class="n" x="{_LEFT - 8}" y="{y + 11}">{escape(CONTENDERS[figure.contender])}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<line x1="{least:.1f}" y1="{middle}" x2="{most:.1f}" y2="{middle}" stroke="{_SPREAD}"/>',
            f'<text x="{most + 8:.1f}" y="{y + 11}">{figure.median:.2f}</text>',
        ]
    return parts


def _count(nodes: int) -> str:
    return f"{nodes} node{'s' if nodes > 1 else ''}"
