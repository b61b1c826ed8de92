"""Writes a bill of materials (CycloneDX 1.5, JSON) for each function into target/sbom/: what is linked into its binary.

    python3 tools/sbom.py

From `cargo tree`, which resolves features as the build of that one package does. `cargo metadata`, which tools such as
cargo-cyclonedx go by, resolves them for the whole workspace: it lists fifty crates that the webhook function does not
have, `ring` among them. Needs no network and no tool but cargo.
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
        # The same bill has the same number, so that two builds can be compared.
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
    """Each crate of a package's tree, and those that it needs itself."""
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
        # As crates wrote "or" before SPDX.
        part["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    # Our own crates have neither: they come from this repository.
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
