"""Do the tests notice? Each patch of testing/flawed/ puts a well-known mistake into a copy of the code; the test that it names
has to fail there.

    python3 tools/check_flawed.py [NAME ...]

A patch begins with what is wrong, and with `Fails: PACKAGE TEST`. It must apply to the code as it is: who changes that
code mends the patch. The copy has a target directory of its own: cargo would take its crates for ours.
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
    wanted = set(sys.argv[1:])
    patches = [patch for patch in sorted(PATCHES.glob("*.patch")) if not wanted or patch.stem in wanted]
    failed = 0
    for patch in patches:
        verdict = check(patch)
        failed += verdict is not None
        say(f"check-flawed: {patch.stem}: {verdict or 'its test fails, as it should'}")
    say(f"{len(patches) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


def check(patch: Path) -> str | None:
    """What is wrong with the patch or with the tests; None when all is well."""
    fails = re.search(r"^Fails: (\S+) (\S+)$", patch.read_text(), re.MULTILINE)
    if not fails:
        return "the patch does not say which test fails"
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
    """A fresh copy of what git knows, as it is in the working tree."""
    shutil.rmtree(COPY, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    # Of its own, so that `git apply` does not look at the repository around it.
    subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)


if __name__ == "__main__":
    main()
