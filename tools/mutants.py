"""Runs cargo-mutants on the domain and the webhook function, and prints which share of the mutants the tests catch.

    python3 tools/mutants.py [OPTION ...]     options of cargo-mutants, such as --file crates/domain/src/plan.rs

The score is caught / (caught + missed). Mutants that do not compile and those that run into a timeout do not count. Below
95 % this fails. `.cargo/mutants.toml` excludes mutants that no test can catch, each with the reason.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARGO_MUTANTS = ROOT / ".tools/mutants/bin/cargo-mutants"
PACKAGES = ("domain", "webhook")
OUTPUT = ROOT / ".local/mutants"
# cargo-mutants creates it in its output directory.
OUTCOMES = OUTPUT / "mutants.out/outcomes.json"
LOWEST_SCORE = 0.95
# Exit codes of cargo-mutants after a complete run: all caught, some missed, some timed out.
COMPLETE = (0, 2, 3)


def main() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    run = subprocess.run([CARGO_MUTANTS, "mutants", *options(), "--output", OUTPUT, *sys.argv[1:]], cwd=ROOT)
    if run.returncode not in COMPLETE:
        sys.exit(f"mutants: cargo-mutants did not complete (exit code {run.returncode})")
    outcomes = json.loads(OUTCOMES.read_text())
    for name in missed(outcomes):
        print(f"missed: {name}")
    counts = {kind: outcomes[kind] for kind in ("caught", "missed", "unviable", "timeout")}
    print("mutants:", ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    if not counts["caught"] + counts["missed"]:
        sys.exit("mutants: no mutant compiled")
    score = counts["caught"] / (counts["caught"] + counts["missed"])
    print(f"mutants: the tests catch {score:.1%}")
    if score < LOWEST_SCORE:
        sys.exit(f"mutants: less than {LOWEST_SCORE:.0%}")


def options() -> list[str]:
    return [option for package in PACKAGES for option in ("--package", package)]


def missed(outcomes: dict) -> list[str]:
    return [each["scenario"]["Mutant"]["name"] for each in outcomes["outcomes"] if each["summary"] == "MissedMutant"]


if __name__ == "__main__":
    main()
