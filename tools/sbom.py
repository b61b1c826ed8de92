"""Writes a bill of materials (CycloneDX 1.5, JSON) for each function into target/sbom/: the crates in its binary.

    python3 tools/sbom.py

The source is `cargo tree`, which resolves features for a single package, as its build does. `cargo metadata`, which tools such
as cargo-cyclonedx use, resolves them for the whole workspace: it lists fifty crates that the webhook function does not have,
`ring` among them. This tool needs cargo only, and no network.
"""

import json
import re
import subprocess
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"
LOCKED = re.compile(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"')
LINE = re.compile(r"(?P<depth>\d+)(?P<name>\S+) v(?P<version>\S+)")

Crate = tuple[str, str]


def main() -> None:
    directory = ROOT / "target/sbom"
    directory.mkdir(parents=True, exist_ok=True)
    for manifest in sorted((ROOT / "functions").glob("*/Cargo.toml")):
        bill = bill_of(manifest.parent.name)
        path = directory / f"{manifest.parent.name}.cdx.json"
        path.write_text(json.dumps(bill, indent=2) + "\n")
        print(f"{path.relative_to(ROOT)}: {len(bill['components'])} components")


def bill_of(package: str) -> dict:
    links = dependencies(package)
    [root] = [crate for crate in links if crate[0] == package]
    licences, checksums = licences_by_crate(), checksums_by_crate()
    parts = [component(crate, licences, checksums) for crate in sorted(links)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # Derived from the content, so that equal builds have equal numbers.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(parts))}",
        "version": 1,
        "metadata": {"component": component(root, licences, checksums) | {"type": "application"}},
        "components": [part for part in parts if part["bom-ref"] != reference(root)],
        "dependencies": [
            {"ref": reference(crate), "dependsOn": sorted(map(reference, needed))}
            for crate, needed in sorted(links.items())
        ],
    }


def dependencies(package: str) -> dict[Crate, set[Crate]]:
    """Returns each crate of a package's tree with its direct dependencies."""
    options = ["--edges", "normal", "--target", TARGET, "--prefix", "depth", "--format", "{p}", "--locked"]
    links: dict[Crate, set[Crate]] = {}
    above: list[Crate] = []
    for line in cargo("tree", "--package", package, *options).splitlines():
        found = LINE.match(line)
        crate, depth = (found["name"], found["version"]), int(found["depth"])
        links.setdefault(crate, set())
        if depth:
            links[above[depth - 1]].add(crate)
        above[depth:] = [crate]
    return links


def licences_by_crate() -> dict[Crate, str | None]:
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET))
    return {(package["name"], package["version"]): package["license"] for package in metadata["packages"]}


def checksums_by_crate() -> dict[Crate, str]:
    locked = LOCKED.findall((ROOT / "Cargo.lock").read_text())
    return {(name, version): checksum for name, version, checksum in locked}


def component(crate: Crate, licences: dict[Crate, str | None], checksums: dict[Crate, str]) -> dict:
    name, version = crate
    part = {"type": "library", "bom-ref": reference(crate), "name": name, "version": version}
    if licence := licences[crate]:
        # Older crates write "/" for OR.
        part["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    # The project's own crates have no checksum.
    if checksum := checksums.get(crate):
        part["purl"] = reference(crate)
        part["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return part


def reference(crate: Crate) -> str:
    return f"pkg:cargo/{crate[0]}@{crate[1]}"


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
