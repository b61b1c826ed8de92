"""Checks that the tests catch known mistakes: applies each patch of testing/flawed/ to a copy of the code, where the test that
it names has to fail.

    python3 tools/check_flawed.py [NAME ...]    the patches with these names, or all
    python3 tools/check_flawed.py --applies     only checks that all patches apply and name a test (make lint)

A patch begins with a sentence about the mistake, and with `Fails: PACKAGE TEST`. It must apply to the current code: a change of
that code includes the patch. The copy has its own target directory, because cargo would confuse its crates with the project's.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stack.console import say
from stack.settings import ROOT

PATCHES = ROOT / "testing/flawed"
COPY = ROOT / ".local/flawed/copy"
TARGET = ROOT / ".local/flawed/target"


def main() -> None:
    if sys.argv[1:] == ["--applies"]:
        sys.exit("\n".join(stale(patch) for patch in sorted(PATCHES.glob("*.patch")) if stale(patch)) or None)
    wanted = set(sys.argv[1:])
    patches = [patch for patch in sorted(PATCHES.glob("*.patch")) if not wanted or patch.stem in wanted]
    failed = 0
    for patch in patches:
        verdict = check(patch)
        failed += verdict is not None
        say(f"check-flawed: {patch.stem}: {verdict or 'its test fails, as expected'}")
    say(f"{len(patches) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


def stale(patch: Path) -> str | None:
    """Returns why a patch cannot be used; `None` if it can."""
    if not test_of(patch):
        return f"{patch.relative_to(ROOT)} does not name the test that fails"
    applied = subprocess.run(["git", "apply", "--check", patch], cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{patch.relative_to(ROOT)}: {applied.stderr.strip()}" if applied.returncode else None


def test_of(patch: Path) -> re.Match | None:
    return re.search(r"^Fails: (\S+) (\S+)$", patch.read_text(), re.MULTILINE)


def check(patch: Path) -> str | None:
    """Returns what is wrong with the patch or with the tests; `None` if the named test fails."""
    fails = test_of(patch)
    if not fails:
        return "the patch does not name the test that fails"
    copy_code()
    applied = subprocess.run(["git", "apply", patch], cwd=COPY, capture_output=True, text=True, check=False)
    if applied.returncode != 0:
        return f"the patch does not apply: {applied.stderr.strip()}"
    package, test = fails.groups()
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET), "PROPTEST_FAILURE_PERSISTENCE": "off"}
    command = ["cargo", "test", "--quiet", "--package", package, test]
    result = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True, check=False)
    if "test result: FAILED" in result.stdout:
        return None
    end = (result.stdout + result.stderr)[-1_500:]
    return f"NO TEST FAILS\n{end}" if result.returncode == 0 else f"the patched code does not compile\n{end}"


def copy_code() -> None:
    """Copies the files that git knows, with the content of the working tree."""
    shutil.rmtree(COPY, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    # A repository of its own: `git apply` must not use the surrounding one.
    subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)


if __name__ == "__main__":
    main()
