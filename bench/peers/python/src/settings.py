"""Settings, from the environment variables that the template sets. What is empty counts as missing."""

import os


def optional(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


def required(name: str) -> str:
    if not (value := optional(name)):
        raise RuntimeError(f"the environment variable {name} is not set")
    return value
