"""Reads the project's Rust sources as text: the modules of a package without its tests, and the metrics.

Regular expressions do, because rustfmt writes every source in one form. Where a source has another form, these functions
raise an error instead of leaving something out.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
METRICS = ROOT / "crates/runtime/src/metrics.rs"

COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)
# An item for tests ends with `;` on its first line, or with the first closing brace that has the indentation of the attribute.
FOR_TESTS = re.compile(
    r"^(?P<indent> *)#\[cfg\(test\)\]\n(?:(?P=indent)#\[.*\]\n)*(?:(?P=indent)\S.*;\n|(?P=indent)\S.*\n(?:.*\n)*?(?P=indent)\}\n)",
    re.MULTILINE,
)
MODULE = re.compile(r"^(?:pub(?:\([a-z]+\))? )?mod (\w+);", re.MULTILINE)

METRIC = re.compile(
    r'((?:^/// .*\n)+)^pub const (\w+): Metric =\s*(count|count_by|milliseconds)\(\s*"(\w+)",?\s*([^;"]*?|[^;]*?\])?,?\s*\);',
    re.MULTILINE,
)
SETS = re.compile(r"^const (\w+): &\[&\[&str\]\] =\s*(&\[.*?\]);$", re.MULTILINE | re.DOTALL)
STACK = "stack"
UNITS = {"count": "Count", "count_by": "Count", "milliseconds": "Milliseconds"}


class UnknownForm(Exception):
    """A source has a form that these tools do not know."""


@dataclass(frozen=True)
class Metric:
    constant: str
    name: str
    unit: str
    # Sets of dimensions. CloudWatch keeps a series for each.
    dimensions: tuple[tuple[str, ...], ...]
    meaning: str


def modules(package: Path) -> dict[str, str]:
    """Returns the sources of a package's modules by path (`job::list`, the root is ``), without comments and tests."""
    [root] = [path for name in ("lib.rs", "main.rs") if (path := package / "src" / name).is_file()][:1]
    found: dict[str, str] = {}
    read_module("", root, root.parent, found)
    return found


def read_module(name: str, path: Path, directory: Path, found: dict[str, str]) -> None:
    text = without_tests(path.read_text())
    found[name] = text
    for child in MODULE.findall(text):
        places = [directory / f"{child}.rs", directory / child / "mod.rs"]
        [place] = [each for each in places if each.is_file()] or [None]
        if place is None:
            raise UnknownForm(f"{path.relative_to(ROOT)}: the file of `mod {child};` is neither of {places}")
        read_module(f"{name}::{child}" if name else child, place, directory / child, found)


def without_tests(text: str) -> str:
    text = FOR_TESTS.sub("", COMMENT.sub("", text))
    if "#[cfg(test)]" in text:
        raise UnknownForm(f"an item for tests has an unknown form: {text.partition('#[cfg(test)]')[2][:80]!r}")
    return text


def metrics() -> dict[str, Metric]:
    """Returns every metric by name, in the order of its declaration."""
    text = METRICS.read_text().partition("\n#[cfg(test)]")[0]
    sets = {name: parse_sets(value) for name, value in SETS.findall(text)}
    found = [
        Metric(constant, name, UNITS[function], parse_dimensions(dimensions, sets), prose(comment))
        for comment, constant, function, name, dimensions in METRIC.findall(text)
    ]
    constants = [each.constant for each in found]
    if text.count(": Metric =") != len(found):
        raise UnknownForm(f"{METRICS.name}: {text.count(': Metric =')} metrics, but only {constants} can be read")
    listed = re.findall(r"&(\w+)", text.partition("pub const ALL: ")[2].partition("= [")[2].partition("];")[0])
    if listed != constants:
        raise UnknownForm(f"{METRICS.name}: ALL does not list each metric, in the order of their declarations")
    return {each.name: each for each in found}


def parse_dimensions(text: str, sets: dict[str, tuple]) -> tuple[tuple[str, ...], ...]:
    if not text:
        return ((STACK,),)
    return sets[text] if text in sets else parse_sets(text)


def parse_sets(text: str) -> tuple[tuple[str, ...], ...]:
    """`&[&[STACK], &[STACK, "reason"]]`"""
    inner = re.findall(r"\[([^\[\]]+)\]", text)
    found = tuple(tuple(re.findall(r"\w+", each.replace("STACK", STACK))) for each in inner)
    if not re.fullmatch(r'[&\[\]\s,\w"]+', text) or not found or any(each[0] != STACK for each in found):
        raise UnknownForm(f"{METRICS.name}: these are no sets of dimensions that begin with STACK: {text!r}")
    return found


def prose(comment: str) -> str:
    return " ".join(line.removeprefix("///").strip() for line in comment.splitlines())
