"""A function's bill of materials (tools/sbom.py) has all crates of its binary."""

import re

import pytest
import sbom
from stack.settings import ROOT


@pytest.mark.parametrize("function", ["webhook", "sync", "request", "reconcile"])
def test_every_crate_in_the_binary_is_in_the_bill(function: str):
    binary = (ROOT / "target/lambda" / function / "bootstrap").read_bytes()
    # Panic locations in a binary name the file: /.../registry/src/INDEX/CRATE-VERSION/src/lib.rs
    names = re.findall(rb"/registry/src/[^/]+/([^/]+-[0-9]+\.[0-9]+\.[0-9]+[^/]*)/", binary)
    shown = {name.decode() for name in names}
    assert len(shown) > 50
    components = sbom.bill_of(function)["components"]
    assert shown - {f"{part['name']}-{part['version']}" for part in components} == set()


def test_a_bill_has_no_dependencies_of_tests():
    names = {part["name"] for part in sbom.bill_of("webhook")["components"]}
    assert names & {"reqwest", "wiremock", "ring", "dynoxide-rs"} == set()
