"""Makes what a deployment of the Python peer carries: python3 bench/peers/python/build.py

One directory for each function under .local/bench/python/: our modules, Powertools and what it needs, compiled, since
Lambda's copy of a function is read-only and would compile it anew in each environment. boto3 is the managed runtime's.
"""

import compileall
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "bench/peers/python/src"
DEPLOYMENTS = ROOT / ".local/bench/python"
# What `pip install --target` would bring, but for jmespath, which the managed runtime has beside boto3.
PACKAGES = {"webhook": ["aws_lambda_powertools", "typing_extensions.py"]}
PACKAGES["sync"] = PACKAGES["webhook"]


def main() -> None:
    environment = ROOT / ".tools/bench-python"
    libraries = next(environment.glob("lib/python3.*/site-packages"), None)
    if libraries is None:
        sys.exit(f"{environment} is missing: python3 tools/install.py bench-python")
    for function, packages in PACKAGES.items():
        build(DEPLOYMENTS / function, libraries, packages)


def build(task: Path, libraries: Path, packages: list[str]) -> None:
    shutil.rmtree(task, ignore_errors=True)
    uncompiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCES, task, ignore=uncompiled)
    for package in packages:
        source = libraries / package
        if source.is_dir():
            shutil.copytree(source, task / package, ignore=uncompiled)
        else:
            shutil.copy(source, task / package)
    # Valid whatever time stamps a zip gives the files.
    unchecked = PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(task, quiet=1, invalidation_mode=unchecked):
        sys.exit(f"{task} cannot be compiled")


if __name__ == "__main__":
    main()
