"""Draws the dashboard of template.yaml, for docs/operations.md.

    PYTHONPATH=tools .tools/aws/bin/python tools/dashboard.py           writes it into the page
    PYTHONPATH=tools .tools/aws/bin/python tools/dashboard.py --print   only shows it

tests/template fails when page and template differ.
"""

import json
import re
import sys
import textwrap
from itertools import groupby

from template import ROOT, read

PAGE = ROOT / "docs/operations.md"
BEGIN, END = "<!-- drawn by tools/dashboard.py -->\n", "<!-- end of the drawing -->\n"
# The grid of CloudWatch, and how many characters one of its columns takes here.
COLUMNS = 24
COLUMN = 5


def main() -> None:
    if "--print" in sys.argv:
        print(drawing(widgets(read())), end="")
    else:
        PAGE.write_text(with_drawing(PAGE.read_text(), drawing(widgets(read()))))


def widgets(template: dict) -> list[dict]:
    """From top to bottom, and from left to right."""
    body, variables = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, value in variables.items():
        # As it is on AWS.
        _, there, _ = value["Fn::If"]
        body = body.replace(f"${{{name}}}", there["Fn::Sub"])
    return sorted(json.loads(body)["widgets"], key=lambda widget: (widget["y"], widget["x"]))


def drawing(all_widgets: list[dict]) -> str:
    lines = []
    for _, row in groupby(all_widgets, key=lambda widget: widget["y"]):
        boxes = [box(widget) for widget in row]
        tallest = max(map(len, boxes))
        for box_lines in boxes:
            box_lines[-1:-1] = [f"|{'':{len(box_lines[0]) - 2}}|"] * (tallest - len(box_lines))
        lines += ["".join(parts) for parts in zip(*boxes, strict=True)]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def box(widget: dict) -> list[str]:
    inner = widget["width"] * COLUMN - 2
    title = textwrap.wrap(widget["properties"]["title"].upper(), inner - 2)
    text = title + textwrap.wrap(", ".join(labels(widget)), inner - 2)
    edge = f"+{'-' * inner}+"
    return [edge, *(f"| {line:{inner - 2}} |" for line in text), edge]


def labels(widget: dict) -> list[str]:
    """What a person reads beside the lines of a widget."""
    if widget["type"] == "alarm":
        return [re.fullmatch(r"\$\{(\w+)\.Arn\}", alarm)[1] for alarm in widget["properties"]["alarms"]]
    options = (metric[-1] for metric in widget["properties"]["metrics"])
    return [re.sub(r"\$\{!PROP\('Dim\.(\w+)'\)\}", r"<\1>", option["label"]) for option in options]


def with_drawing(page: str, drawn: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{PAGE.name} has no place for the drawing ({BEGIN.strip()} ... {END.strip()})")
    return before + BEGIN + drawn + END + after


if __name__ == "__main__":
    main()
