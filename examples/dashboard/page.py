"""HTML of a dashboard, for JupyterLab and for Voila: no widgets, no scripts to load, no other host."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, NamedTuple

from IPython.display import HTML

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_STYLE = """<style>
.pictures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start }
.pictures figure { margin: 0 }
.pictures img { display: block; max-width: 100%; image-rendering: pixelated }
.pictures input { width: 100% }
table { border-collapse: collapse; font-size: 85% }
td, th { padding: 0.1rem 0.8rem; text-align: right; border-bottom: 1px solid #ddd }
</style>"""
# Of the pictures of a slider one is shown; all of them are in the page.
_SHOW = (
    "for (const one of this.parentNode.querySelectorAll('figure')) one.hidden = one.dataset.at !== this.value"
)


class Picture(NamedTuple):
    """A picture as PNG, its width on the page in pixels, and the text below it."""

    png: bytes
    width: int
    text: str


def row(*parts: Picture | str) -> HTML:
    """Return pictures, and parts that are HTML already, beside each other."""
    inner = "".join(part if isinstance(part, str) else _figure(part, "") for part in parts)
    return HTML(f'{_STYLE}<div class="pictures">{inner}</div>')


def slider(name: str, pictures: Mapping[int, Picture], first: int) -> str:
    """Return HTML that shows one of several pictures, chosen by a slider; `first` at the beginning."""
    values = list(pictures)
    at = values.index(first)
    figures = "".join(
        _figure(picture, f' data-at="{number}"{"" if number == at else " hidden"}')
        for number, picture in enumerate(pictures.values())
    )
    return (
        f'<div>{figures}<input type="range" aria-label="{html.escape(name)}" min="0" max="{len(values) - 1}"'
        f' value="{at}" oninput="{_SHOW}"></div>'
    )


def table(frame: pd.DataFrame) -> HTML:
    """Return all rows of a frame, numbers with five digits."""
    return HTML(_STYLE + frame.to_html(index=False, border=0, float_format="{:.5g}".format))


def _figure(picture: Picture, attributes: str) -> str:
    source, text = base64.b64encode(picture.png).decode(), html.escape(picture.text)
    return (
        f'<figure{attributes}><img width="{picture.width}" alt="{text}" src="data:image/png;base64,{source}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
