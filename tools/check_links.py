"""Checks, without a network, that what documents and comments refer to exists.

- In Markdown files: the target of every relative link, and its anchor, as GitHub makes anchors out of headings.
- In all text files: every path such as `docs/operations.md#drift`, and its anchor.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Not part of the project: hidden directories are left out too, except for these.
LEFT_OUT = {"target", "node_modules", "__pycache__"}
HIDDEN = {".ci", ".cargo"}
NAMES = {"Makefile", "docker-base", "run"}
TEXT = {".md", ".rs", ".py", ".toml", ".yaml", ".mjs", ".patch", ".in", ".ini"}

FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
IMAGE = re.compile(r"<(?:img|source)\b[^>]*?\b(?:src|srcset)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)? *$", re.MULTILINE)
NAMED = re.compile(r"<a\b[^>]*?\b(?:id|name)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# A path that is written out: without `*` or `<name>` in it.
PLACES = "bench|cli|crates|docs|events|examples|functions|testing|tests|tools"
MENTION = re.compile(
    rf"(?<![\w./{{}}*<>-])((?:{PLACES})/(?:[\w-]+/)*[\w-]+(?:\.[\w-]+)*\.(?:json|md|mjs|patch|py|rs|svg|toml|yaml))(#[\w-]+)?(?![\w*<{{])"
)


def main() -> None:
    problems = dict.fromkeys(problem for path in files() for problem in problems_of(path))
    sys.exit("\n".join(problems) if problems else None)


def files(directory: Path = ROOT) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_symlink() or path.name in LEFT_OUT or (path.name.startswith(".") and path.name not in HIDDEN):
            continue
        if path.is_dir():
            yield from files(path)
        elif path.suffix in TEXT or path.name in NAMES:
            yield path


def problems_of(path: Path) -> Iterator[str]:
    text = path.read_text()
    for target, anchor in dict.fromkeys(MENTION.findall(text)):
        # From the top of the repository, or of the package that the file is in.
        places = [parent / target for parent in path.parents if parent.is_relative_to(ROOT)]
        place = next((each for each in places if each.exists()), ROOT / target)
        yield from problems_of_target(path, target, place, anchor)
    if path.suffix == ".md":
        for link in dict.fromkeys(links(text)):
            if not ELSEWHERE.match(link):
                target, _, anchor = link.partition("#")
                yield from problems_of_target(path, link, path.parent / target if target else path, anchor)


def links(text: str) -> Iterator[str]:
    text = CODE.sub("", FENCED.sub("", text))
    for found in LINK.findall(text):
        yield from filter(None, found)
    yield from IMAGE.findall(text)


def problems_of_target(path: Path, link: str, target: Path, anchor: str) -> Iterator[str]:
    if not target.exists():
        yield f"{path.relative_to(ROOT)}: {link} does not exist"
    elif anchor and (target.suffix != ".md" or anchor.removeprefix("#") not in anchors(target.resolve())):
        yield f"{path.relative_to(ROOT)}: {target.resolve().relative_to(ROOT)} has no anchor #{anchor.removeprefix('#')}"


@cache
def anchors(page: Path) -> frozenset[str]:
    text = FENCED.sub("", page.read_text())
    seen: Counter[str] = Counter()
    found = set(NAMED.findall(text))
    for heading in HEADING.findall(text):
        anchor = as_anchor(heading)
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(found)


def as_anchor(heading: str) -> str:
    """Lower case, without markup and punctuation, a hyphen for each space."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


if __name__ == "__main__":
    main()
