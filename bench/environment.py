"""Servers for a benchmark, and an execution environment of a function. Linux only."""

import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TABLE = "belvo-sync"
FUNCTION_MEMORY_MB = {"webhook": "256", "sync": "512"}


class Server:
    """A server that prints its address."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not (found := re.search(r"http://(\S+)", line)):
            raise SystemExit(f"{command[0]} did not start: {line!r}")
        self.address = found[1]
        self.url = f"http://{self.address}"
        # One connection for each calling thread.
        self.local = threading.local()

    def call(
        self, method: str, path: str, body: Any = None, timeout_s: float = 600, headers: Mapping[str, str] | None = None
    ) -> Any:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = getattr(self.local, "connection", None) or http.client.HTTPConnection(self.address)
        self.local.connection = None
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        # Only a connection without an error is reused.
        self.local.connection = connection
        if response.status >= 300:
            raise SystemExit(f"{method} {path} was answered {response.status}: {content[:500]!r}")
        is_json = response.getheader("Content-Type") == "application/json"
        return json.loads(content) if is_json else content.decode()

    def cpu_s(self) -> float:
        return cpu_s(self.process.pid)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


class Environment:
    """An execution environment: a new process of a function, started as Lambda starts it."""

    def __init__(
        self,
        function: str,
        command: Sequence[str | Path],
        aws: Server,
        variables: Mapping[str, str],
        *,
        core: int | None = None,
        wrapper: str = "",
    ) -> None:
        self.aws = aws
        given = {
            "AWS_LAMBDA_RUNTIME_API": aws.address,
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": FUNCTION_MEMORY_MB[function],
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": function,
            "AWS_LAMBDA_LOG_STREAM_NAME": function,
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "STACK_NAME": "a-stack",
            "QUEUE_URL": f"{aws.url}/123456789012/queue.fifo",
            "DEAD_LETTER_QUEUE_URL": f"{aws.url}/123456789012/dead-letter.fifo",
            "WEBHOOK_SECRET_ARN": "webhook",
            "BELVO_SECRET_ARN": "belvo",
            "TABLE_NAME": TABLE,
        }
        asked_before = aws.call("GET", "/_runtime/asked")["asked"]
        self.log = tempfile.NamedTemporaryFile(prefix=f"{function}-", suffix=".log")
        self.log_taken = 0
        # Warms up the server, so that the first measured call is not the server's first.
        ask = {"QueueUrl": "queue", "AttributeNames": []}
        aws.call("POST", "/", ask, headers={"X-Amz-Target": "AmazonSQS.GetQueueAttributes"})
        aws.call("DELETE", "/_stats")
        cores = os.sched_getaffinity(0)
        if core is not None:
            # A child inherits the cores of its parent.
            os.sched_setaffinity(0, {core})
        began_us = time.time_ns() // 1_000
        self.process = subprocess.Popen(
            [*shlex.split(wrapper), *command],
            env={**given, **variables}, stdout=self.log, stderr=subprocess.STDOUT,
        )
        os.sched_setaffinity(0, cores)
        try:
            ready = aws.call("GET", f"/_runtime/ready?asked_before={asked_before}")
        except SystemExit:
            raise SystemExit(f"it did not start:\n{self.log_text()[-4_000:]}") from None
        # From starting the process until its request for the first event.
        self.start_ms = (ready["asked_at_us"] - began_us) / 1_000
        self.start_cpu_s = cpu_s(self.process.pid)
        self.start_mib = self.memory_mib("VmRSS")

    def invoke(self, event: Any, timeout_ms: int) -> dict[str, Any]:
        """Returns `outcome` (response, error or timeout), `elapsed_us` as seen by the runtime API, and `payload`."""
        return self.aws.call("POST", f"/_runtime/invoke?timeout_ms={timeout_ms}", event, timeout_s=timeout_ms / 1_000 + 60)

    def cpu_s(self) -> float:
        """Returns the CPU time since the start of the process."""
        return cpu_s(self.process.pid)

    def memory_mib(self, name: str) -> float:
        """Reads /proc, because `ru_maxrss` would include the memory of this script before the program was loaded."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1_024

    def log_text(self) -> str:
        return Path(self.log.name).read_text(errors="replace")

    def take_log(self) -> str:
        """Returns the log since the last call."""
        text = self.log_text()[self.log_taken :]
        self.log_taken += len(text)
        return text

    def end(self) -> Any:
        """Ends the process. Returns its resource usage as the operating system reports it."""
        if self.process.returncode is not None:
            return None
        # Profilers such as perf write their results when they end.
        self.process.send_signal(signal.SIGTERM)
        usage = wait_for(self.process, 5)
        if usage is None:
            self.process.kill()
            usage = os.wait4(self.process.pid, 0)[2]
        self.process.returncode = 0
        return usage


def wait_for(process: subprocess.Popen, seconds: float) -> Any:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        pid, _, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            return usage
        time.sleep(0.01)
    return None


def cpu_s(pid: int) -> float:
    """Returns the CPU time of a process with all its threads, ended ones included (see clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)
