"""Reads the processor from the built functions, and makes CloudFormation reject any other `Architecture`.

    sam build --parameter-overrides Architecture=arm64
    python3 tools/check_architecture.py                    before `sam deploy`
    python3 tools/check_architecture.py DIRECTORY          when `sam build` had --build-dir DIRECTORY

Lambda cannot start a binary for another processor: each invocation would fail. `sam build` and `sam deploy` take the parameter
separately. So this tool writes the processor of the binaries into the rule ArchitectureOfTheBuild of the built template, and into
the parameter's default. From then on CloudFormation compares, also when only a parameter of the deployed stack changes.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".aws-sam/build"
# `sam deploy --guided` writes it (README.md).
CONFIGURATION = ROOT / "samconfig.local.toml"

# The member e_machine of an ELF header, and Lambda's names for these processors.
MACHINES = {62: "x86_64", 183: "arm64"}
ELF_64_BIT_LITTLE_ENDIAN = b"\x7fELF\x02\x01"

# In the form that `sam build` writes. The last group is the value.
RULE = r"(\n  ArchitectureOfTheBuild:\n(?:    .*\n)*? +Fn::Equals:\n +- Ref: Architecture\n +- )(\S+)"
DEFAULT = r"(\n  Architecture:\n(?:    .*\n)*?    Default: )(\S+)"
# NAME=VALUE, NAME="VALUE", NAME=\"VALUE\"; ParameterKey=NAME,ParameterValue=VALUE.
OVERRIDE = r'\b(?:Architecture=|ParameterKey=Architecture,ParameterValue=)\\?["\']?(\w+)'


class Refused(Exception):
    """An error that says why this build cannot be deployed."""


def main() -> None:
    directory = Path(sys.argv[1]) if sys.argv[1:] else BUILD
    try:
        architecture = check(directory, CONFIGURATION)
    except Refused as refused:
        sys.exit(f"check_architecture: {refused}")
    print(f"The functions are built for {architecture}. CloudFormation rejects another Architecture.")


def check(directory: Path, configuration: Path) -> str:
    """Binds the built template to the processor of its functions, and returns the processor."""
    template = directory / "template.yaml"
    if not template.is_file():
        raise Refused(f"{template} does not exist: run `sam build` first")
    text = template.read_text()
    architecture = common_architecture(directory, text)
    check_configuration(configuration, architecture)
    template.write_text(bound(text, architecture))
    return architecture


def common_architecture(directory: Path, template: str) -> str:
    found = {place: machine_of(directory / place / "bootstrap") for place in re.findall(r"\n +CodeUri: (\S+)", template)}
    if not found:
        raise Refused("the built template has no function")
    if len(set(found.values())) > 1:
        each = ", ".join(f"{place} for {architecture}" for place, architecture in found.items())
        raise Refused(f"the functions are built for different processors ({each}): run `sam build` again")
    return found.popitem()[1]


def machine_of(binary: Path) -> str:
    """Returns the processor in the binary's ELF header."""
    if not binary.is_file():
        raise Refused(f"{binary} does not exist: run `sam build` again")
    with binary.open("rb") as file:
        header = file.read(20)
    machine = int.from_bytes(header[18:20], "little")
    if not header.startswith(ELF_64_BIT_LITTLE_ENDIAN) or machine not in MACHINES:
        raise Refused(f"{binary} is not a program for Lambda (an ELF binary for {' or '.join(MACHINES.values())})")
    return MACHINES[machine]


def check_configuration(configuration: Path, architecture: str) -> None:
    """Fails before the upload; CloudFormation would reject the value after it."""
    if not configuration.is_file():
        return
    lines = [line for line in configuration.read_text().splitlines() if not line.lstrip().startswith("#")]
    for asked in re.findall(OVERRIDE, "\n".join(lines)):
        if asked != architecture:
            raise Refused(
                f"{configuration.name} has Architecture={asked}, but the functions are built for {architecture}: "
                f"run `sam build --parameter-overrides Architecture={asked}`, or change the value in {configuration.name}"
            )


def bound(template: str, architecture: str) -> str:
    """Returns the built template with this value as the only valid one of the parameter."""
    for place in (RULE, DEFAULT):
        template, places = re.subn(place, lambda found: found[1] + architecture, template)
        if places != 1:
            raise Refused("the built template has an unknown form: run `sam build`")
    return template


if __name__ == "__main__":
    main()
