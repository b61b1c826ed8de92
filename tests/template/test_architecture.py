"""The binaries and the parameter `Architecture` cannot differ: tools/check_architecture.py."""

from pathlib import Path

import pytest
import yaml
from check_architecture import Refused, check
from template import FUNCTION, of_type, read

X86_64, AARCH64, RISC_V = 62, 183, 243
PROCESSORS = {"x86_64": X86_64, "arm64": AARCH64}
FUNCTIONS = [name for name, _ in of_type(read()["Resources"], "AWS::Serverless::Function")]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build directory as `sam build` writes it; each function is built for x86_64."""
    template = read()
    for name in FUNCTIONS:
        template["Resources"][name]["Properties"]["CodeUri"] = name
        write_binary(tmp_path, name, X86_64)
    # As the SAM CLI writes it: in the template's order, with long forms of functions.
    (tmp_path / "template.yaml").write_text(yaml.safe_dump(plain(template), sort_keys=False))
    return tmp_path


def plain(value: object) -> object:
    """Returns the value without the parser's own types."""
    match value:
        case dict():
            return {str(name): plain(each) for name, each in value.items()}
        case list():
            return [plain(each) for each in value]
    return value


def write_binary(build: Path, function: str, machine: int, head: bytes = b"\x7fELF\x02\x01\x01") -> None:
    place = build / function / "bootstrap"
    place.parent.mkdir(exist_ok=True)
    # The ELF header up to e_machine.
    place.write_bytes(head.ljust(16, b"\0") + (2).to_bytes(2, "little") + machine.to_bytes(2, "little"))


def accepts(template: dict, architecture: str) -> bool:
    """Returns `True` if CloudFormation deploys the template with this value: all assertions hold."""
    allowed = template["Parameters"]["Architecture"]["AllowedValues"]
    assertions = [each["Assert"] for rule in template["Rules"].values() for each in rule["Assertions"]]
    values = [{"Ref": "Architecture"}, architecture]
    pairs = [[architecture if each == values[0] else each for each in assertion["Fn::Equals"]] for assertion in assertions]
    return architecture in allowed and all(left == right for left, right in pairs)


@pytest.mark.parametrize("built_for", PROCESSORS)
def test_cloudformation_accepts_only_the_processor_of_the_binaries(build: Path, built_for: str):
    for name in FUNCTIONS:
        write_binary(build, name, PROCESSORS[built_for])

    assert check(build, build / "none") == built_for

    template = yaml.safe_load((build / "template.yaml").read_text())
    assert [each for each in PROCESSORS if accepts(template, each)] == [built_for]
    assert template["Parameters"]["Architecture"]["Default"] == built_for, "the value of a deployment without the parameter"


def test_the_check_changes_nothing_else_in_the_built_template(build: Path):
    before = (build / "template.yaml").read_text()
    check(build, build / "none")
    assert (build / "template.yaml").read_text() == before, "it is built for the default"


def test_the_check_can_be_repeated_after_a_build_for_another_processor(build: Path):
    check(build, build / "none")
    for name in FUNCTIONS:
        write_binary(build, name, AARCH64)
    assert check(build, build / "none") == "arm64"
    assert accepts(yaml.safe_load((build / "template.yaml").read_text()), "arm64")


def test_without_the_check_arm64_is_rejected():
    """`sam build` without the parameter builds for x86_64."""
    template = read()
    assert [each for each in PROCESSORS if accepts(template, each)] == ["x86_64"]
    [assertion] = template["Rules"]["ArchitectureOfTheBuild"]["Assertions"]
    assert "tools/check_architecture.py" in assertion["AssertDescription"]


def test_every_function_uses_the_parameter_architecture():
    template = read()
    assert template["Globals"]["Function"]["Architectures"] == [{"Ref": "Architecture"}]
    functions = of_type(template["Resources"], "AWS::Serverless::Function")
    assert [name for name, each in functions if "Architectures" in each["Properties"]] == []
    assert list(of_type(template["Resources"], FUNCTION)) == []


def test_functions_for_different_processors_are_rejected(build: Path):
    write_binary(build, "SyncFunction", AARCH64)
    with pytest.raises(Refused, match="different processors .*WebhookFunction for x86_64, SyncFunction for arm64"):
        check(build, build / "none")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda build: write_binary(build, "SyncFunction", RISC_V),
        lambda build: write_binary(build, "SyncFunction", X86_64, head=b"#!/bin/sh"),
        lambda build: write_binary(build, "SyncFunction", X86_64, head=b"\x7fELF\x01\x01\x01"),
        lambda build: (build / "SyncFunction/bootstrap").write_bytes(b""),
        lambda build: (build / "SyncFunction/bootstrap").unlink(),
    ],
    ids=["another processor", "a script", "a 32-bit program", "empty", "missing"],
)
def test_an_invalid_binary_is_rejected_and_the_template_unchanged(build: Path, spoil):
    before = (build / "template.yaml").read_text()
    spoil(build)
    with pytest.raises(Refused, match="SyncFunction/bootstrap"):
        check(build, build / "none")
    assert (build / "template.yaml").read_text() == before


def test_a_directory_without_a_build_is_rejected(tmp_path: Path):
    with pytest.raises(Refused, match="run `sam build` first"):
        check(tmp_path, tmp_path / "none")


@pytest.mark.parametrize(
    "line",
    [
        r'parameter_overrides = "BelvoBaseUrl=\"https://api.belvo.com\" Architecture=\"arm64\" LogRetentionDays=\"30\""',
        'parameter_overrides = ["Architecture=arm64", "AlarmEmail="]',
        'parameter_overrides = "ParameterKey=Architecture,ParameterValue=arm64"',
    ],
)
def test_a_configuration_file_with_another_processor_is_rejected(build: Path, line: str):
    configuration = build / "samconfig.local.toml"
    configuration.write_text(f"[default.deploy.parameters]\n{line}\n")
    with pytest.raises(Refused, match="samconfig.local.toml has Architecture=arm64, but the functions are built for x86_64"):
        check(build, configuration)
    configuration.write_text(f"[default.deploy.parameters]\n# {line}\n{line.replace('arm64', 'x86_64')}\n")
    assert check(build, configuration) == "x86_64"
