"""Checks which packages may depend on which, and that each AWS client has one constructor.

- The webhook function starts fast because it links neither an HTTP client nor the database. The domain is pure.
- What is deployed depends on nothing that only proves it.
- A client that is not made by its constructor lacks what that adds. `store::client` adds the retries of conflicts with
  transactions, for example.

One careless line in a Cargo.toml breaks each of these, and no test would notice.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rust_sources import ROOT, modules

# Package -> what must not be among its dependencies, direct or not (a name, or the beginning of one).
FORBIDDEN = {
    "webhook": ("reqwest", "aws-sdk-dynamodb"),
    "domain": ("tokio", "async-", "futures", "aws", "lambda", "reqwest", "hyper", "http"),
}
# Folder -> the folders whose packages its packages may depend on, other than for tests. Each package is in one of these folders.
MAY_DEPEND_ON = {
    "functions": {"crates"},
    "crates": {"crates"},
    "cli": {"crates"},
    "testing": {"crates", "testing"},
    "bench": {"crates", "testing", "bench"},
    "examples": set(),
}
DEPLOYED = ("functions", "crates")
# SDK of AWS -> the source that makes its clients.
CONSTRUCTORS = {
    "aws_sdk_dynamodb": "crates/store/src/client.rs",
    "aws_sdk_secretsmanager": "crates/runtime/src/secret.rs",
    "aws_sdk_sqs": "crates/queue/src/lib.rs",
    "aws_sdk_secretsmanager": "crates/runtime/src/secret.rs",
    "aws_sdk_sqs": "crates/queue/src/lib.rs",
}
LONGEST_MAIN = 40


def main() -> None:
    problems = [*forbidden_dependencies(), *outside_of_folders(), *long_mains(), *other_constructors()]
    sys.exit("\n".join(problems) if problems else None)


def forbidden_dependencies() -> Iterator[str]:
    for package, forbidden in FORBIDDEN.items():
        for dependency in sorted(dependencies(package)):
            if dependency.startswith(forbidden):
                tree = f"cargo tree --package {package} --edges normal,build --invert {dependency}"
                yield f"{package} depends on {dependency}; see `{tree}`"


def dependencies(package: str) -> set[str]:
    tree = cargo("tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--format", "{p}")
    return {line.split()[0] for line in tree.splitlines() if line} - {package}


def outside_of_folders() -> Iterator[str]:
    packages = json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["packages"]
    for package in packages:
        folder = folder_of(Path(package["manifest_path"]).parent)
        if folder not in MAY_DEPEND_ON:
            yield f"{package['name']} is in {folder}/, which is no folder for packages: {', '.join(MAY_DEPEND_ON)}"
            continue
        for dependency in package["dependencies"]:
            needed = folder_of(Path(dependency["path"])) if "path" in dependency else None
            if needed and dependency["kind"] != "dev" and needed not in MAY_DEPEND_ON[folder]:
                yield f"{package['name']} in {folder}/ depends on {dependency['name']} in {needed}/, and not only for its tests"


def folder_of(directory: Path) -> str:
    return directory.relative_to(ROOT).parts[0]


def long_mains() -> Iterator[str]:
    for main in ROOT.glob("functions/*/src/main.rs"):
        length = len(main.read_text().splitlines())
        if length > LONGEST_MAIN:
            yield f"{main.relative_to(ROOT)} has {length} lines; it only starts the function: at most {LONGEST_MAIN}"


def other_constructors() -> Iterator[str]:
    for manifest in sorted(path for folder in DEPLOYED for path in ROOT.glob(f"{folder}/*/Cargo.toml")):
        for module, source in modules(manifest.parent).items():
            for sdk, constructor in CONSTRUCTORS.items():
                place = f"{manifest.parent.relative_to(ROOT)}/src/{module.replace('::', '/') or 'lib'}.rs"
                if place != constructor and makes_client(sdk, source):
                    yield f"{place} makes a client of {sdk}; {constructor} does"


def makes_client(sdk: str, source: str) -> bool:
    in_scope = re.search(rf"\buse {sdk}::(\w+, )*(\{{[^}}]*\b)?Client\b", source)
    name = rf"(\b{sdk}::|(?<!::))" if in_scope else rf"\b{sdk}::"
    return bool(re.search(rf"{name}(config::)?\bClient::(new|from_conf)\(", source))


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
