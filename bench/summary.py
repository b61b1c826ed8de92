"""Summarizes the rounds of a benchmark: for each figure its median, smallest and largest value."""

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Run = dict[str, Any]


def summarized(runs: list[Run], setting: tuple[str, ...], reference: str) -> list[dict[str, Any]]:
    """Returns one entry for each implementation and setting.

    `figures` has each figure of its rounds. A nested one, such as `PutItem` in `dynamodb`, becomes `dynamodb.PutItem`.
    `relative` has the medians of the ratios to `reference` in the same round, in which load on the machine affects both.
    """
    groups: dict[tuple, dict[int, dict[str, float]]] = defaultdict(dict)
    for run in runs:
        described = {"name", "round", *setting}
        figures = dict(numbers({key: value for key, value in run.items() if key not in described}))
        groups[run["name"], *(run[key] for key in setting)][run["round"]] = figures
    return [
        {
            "name": name, **dict(zip(setting, at)), "rounds": len(rounds), "figures": spreads(list(rounds.values())),
            **({"relative": relative(rounds, groups[reference, *at])} if name != reference and (reference, *at) in groups else {}),
        }
        for (name, *at), rounds in groups.items()
    ]


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from numbers(each, f"{name}.{key}" if name else key)
    else:
        yield name, value


def spreads(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """A count that a round does not have is zero."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    values = {name: [figures.get(name, 0) for figures in rounds] for name in names}
    summary = {"median": statistics.median, "min": min, "max": max}
    return {name: {word: of(each) for word, of in summary.items()} for name, each in values.items()}


def relative(rounds: dict[int, dict[str, float]], references: dict[int, dict[str, float]]) -> dict[str, float]:
    pairs = [(figures, references[number]) for number, figures in rounds.items()]
    names = [name for name in pairs[0][0] if all(theirs.get(name) and ours.get(name) for theirs, ours in pairs)]
    return {name: statistics.median(theirs[name] / ours[name] for theirs, ours in pairs) for name in names}


def as_text(results: dict[str, Any]) -> str:
    """Returns JSON with one line for each figure."""
    return re.sub(r"\{[^{}]*\}", lambda inner: re.sub(r"\s+", " ", inner[0]), json.dumps(results, indent=1)) + "\n"
