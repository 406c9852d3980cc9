"""The table of faults in the README, written by the run that measured it."""

from pathlib import Path

from tests.chaos.row import Row

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "build" / "chaos.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"


def table(rows: dict[str, Row]) -> str:
    """Markdown, a line for each fault."""
    lines = ["| | fault | how often | lost | told twice | well again within |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        worst = "" if row.worst_s is None else f"{row.worst_s:.1f} s"
        what = f"{row.fault}; {row.note}" if row.note else row.fault
        lines.append(f"| {name} | {what}{'' if row.ok else ' (**failed**)'} | {row.times} | {row.lost} | {row.twice} | {worst} |")
    return "\n".join(lines)


def into_readme(rows: dict[str, Row], readme: Path = README) -> None:
    """Puts the table between its two marks and leaves everything else as it is."""
    text = readme.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no place for the table: {BEGIN} and {END} are expected")
    readme.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", "utf-8")
