"""Belvo's own Python client works with fake-belvo."""

import subprocess
import sys

from deployment import Deployment
from stack.settings import ROOT


def test_the_official_python_client_logs_in_and_lists_everything(deployment: Deployment):
    key = deployment.belvo_key
    check = [sys.executable, ROOT / "tests/e2e/belvo_python_client.py", deployment.belvo.url, key.secret_id, key.secret_password]

    result = subprocess.run(check, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr
