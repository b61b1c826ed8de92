"""Checks that the modules of a package do not depend on each other in a circle.

    python3 tools/check_cycles.py           fails for each circle
    python3 tools/check_cycles.py PACKAGE   prints the dependencies of one package's modules

A module is a top-level one, with everything below it. The root (lib.rs, main.rs) puts the modules together, so it depends on
all of them and does not count. Tests do not count either.
"""

import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from rust_sources import ROOT, modules

USE = re.compile(r"\buse ([^;]+);")
PATH = re.compile(r"\b(?:crate|super)(?:::\w+)+")

Graph = dict[str, set[str]]


def main() -> None:
    packages = [path.parent for path in sorted([*ROOT.glob("*/*/Cargo.toml"), ROOT / "cli/Cargo.toml"])]
    if sys.argv[1:]:
        for package in (each for each in packages if each.name == sys.argv[1]):
            for module, used in graph(package).items():
                print(f"{module} -> {', '.join(sorted(used)) or '-'}")
        return
    sys.exit("\n".join(circle for package in packages for circle in circles(package)) or None)


def circles(package: Path) -> Iterator[str]:
    try:
        TopologicalSorter(graph(package)).prepare()
    except CycleError as error:
        yield f"{package.relative_to(ROOT)}: modules in a circle: {' -> '.join(reversed(error.args[1]))}"


def graph(package: Path) -> Graph:
    """Returns the top-level modules, each with those that it uses."""
    if not any((package / "src" / name).is_file() for name in ("lib.rs", "main.rs")):
        return {}
    sources = modules(package)
    root = sources.pop("")
    names = {path.partition("::")[0] for path in sources}
    # What the root takes out of its modules: `pub use error::Error;` makes `crate::Error` a part of `error`.
    reexported = {path[-1]: path[0] for path in map(from_root, used_paths(root, 0)) if path[0] in names}
    found: Graph = {name: set() for name in sorted(names)}
    for place, source in sources.items():
        module, depth = place.partition("::")[0], place.count("::") + 1
        firsts = {path[0] for path in used_paths(source, depth) if path}
        found[module] |= {reexported.get(first, first) for first in firsts} & names - {module}
    return found


def used_paths(source: str, depth: int) -> Iterator[list[str]]:
    """Yields the paths from the root of the package in a module that is so deep below it."""
    trees = [path for use in USE.findall(source) for path in expanded(re.sub(r"\s+as \w+|\s+", "", use))]
    for path in [*trees, *PATH.findall(USE.sub("", source))]:
        parts = path.split("::")
        if depth == 0 or parts[0] == "crate":
            yield from_root(parts)
        elif parts[:depth] == ["super"] * depth:
            yield parts[depth:]


def from_root(parts: list[str]) -> list[str]:
    return parts[1:] if parts[0] in ("crate", "self") else parts


def expanded(tree: str) -> Iterator[str]:
    """`crate::{a::B,c}` is `crate::a::B` and `crate::c`."""
    head, group, rest = tree.partition("{")
    if not group:
        yield tree
        return
    for part in re.findall(r"(?:[^,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+", rest.rpartition("}")[0]):
        yield from expanded(head + part)


if __name__ == "__main__":
    main()
