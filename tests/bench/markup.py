"""The plain parts of a page that needs nothing but itself: tables, pictures inside it, and a style for light and dark."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

import cv2

from agent.domain import Pixels

LONGEST = 360  # pixels of a picture's longer side in the page

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1a; --paper: #fdfdfb; --soft: #6d6d68; --line: #d9d9d3; --good: #16794a; --bad: #b3261e;
  --label: #0a6cff; --mark: #ffe08a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e9e4; --paper: #161615; --soft: #9b9b94; --line: #3a3a37; --good: #58c48d;
  --bad: #ff8b80; --label: #6bb0ff; --mark: #6b5410; } }
body { margin: 2.5rem auto; max-width: 72rem; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .4rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; } p { max-width: 46rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: .4rem 0 1rem; }
th, td { padding: .25rem .65rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; } th:first-child, td:first-child { text-align: left; padding-left: 0; }
.met { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.25rem; }
figure { margin: 0; font-size: .82rem; line-height: 1.4; } figure svg, figure img { display: block; max-width: 100%; height: auto; }
figure img { margin-top: .4rem; } figcaption { margin-top: .4rem; overflow-wrap: anywhere; }
code { font: .95em ui-monospace, monospace; } mark { background: var(--mark); color: inherit; }
.label, .found, .chosen { fill: none; stroke-width: 1.6; vector-effect: non-scaling-stroke; }
.label { stroke: var(--label); stroke-dasharray: 5 3; } .found { stroke: var(--bad); } .chosen { stroke: var(--good); }
.axis { stroke: var(--line); fill: none; } .ideal { stroke: var(--soft); stroke-dasharray: 4 4; fill: none; }
.range, .curve { stroke: var(--label); fill: none; } .point { fill: var(--label); } .plots { display: flex; flex-wrap: wrap; gap: 2rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page; the parts are markup already, the title is not."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are text and are escaped."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def small(pixels: Pixels) -> Pixels:
    """The picture with its longer side no longer than the page shows it."""
    scale = LONGEST / max(pixels.shape[:2])
    return pixels if scale >= 1 else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(pixels.dtype)


def data_uri(pixels: Pixels) -> str:
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 75])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def differing(read: str, meant: str) -> str:
    """The text that was read, its wrong characters marked where it is as long as the truth."""
    if len(read) != len(meant):
        return escape(read)
    return "".join(escape(one) if one == other else f"<mark>{escape(one)}</mark>" for one, other in zip(read, meant, strict=True))
