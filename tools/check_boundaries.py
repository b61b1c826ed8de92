"""Checks what the layout of the workspace promises.

The webhook function starts fast because it links neither an HTTP client nor the database; the domain is pure. Both
are lost by one careless line in a Cargo.toml, without any other test noticing. A client of DynamoDB that is not made by
`store::client` does not retry conflicts with transactions, which no test of the function itself would show.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Package -> what must not be among its dependencies (a name, or the beginning of one).
FORBIDDEN = {
    "webhook": ("reqwest", "aws-sdk-dynamodb"),
    "domain": ("tokio", "aws-", "aws_", "reqwest", "hyper"),
}
LONGEST_MAIN = 40
DYNAMODB_CLIENT = re.compile(r"aws_sdk_dynamodb::Client::(new|from_conf)\b")


def main() -> None:
    problems = [*forbidden_dependencies(), *long_mains(), *other_dynamodb_clients()]
    sys.exit("\n".join(problems) if problems else None)


def forbidden_dependencies() -> list[str]:
    return [
        f"{package} depends on {dependency}; see `cargo tree --package {package} --edges normal --invert {dependency}`"
        for package, forbidden in FORBIDDEN.items()
        for dependency in sorted(dependencies(package))
        if dependency.startswith(forbidden)
    ]


def dependencies(package: str) -> set[str]:
    command = ["cargo", "tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"]
    tree = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {line.split()[0] for line in tree.stdout.splitlines() if line} - {package}


def long_mains() -> list[str]:
    lengths = {main: len(main.read_text().splitlines()) for main in ROOT.glob("functions/*/src/main.rs")}
    return [
        f"{main.relative_to(ROOT)} has {length} lines; it only boots, so {LONGEST_MAIN} must do"
        for main, length in lengths.items()
        if length > LONGEST_MAIN
    ]


def other_dynamodb_clients() -> list[str]:
    sources = [path for place in ("crates", "functions") for path in ROOT.glob(f"{place}/*/src/**/*.rs")]
    return [
        f"{path.relative_to(ROOT)} makes a client of DynamoDB; `store::client` does, with the retries that it needs"
        for path in sorted(sources)
        if DYNAMODB_CLIENT.search(path.read_text())
    ]


if __name__ == "__main__":
    main()
