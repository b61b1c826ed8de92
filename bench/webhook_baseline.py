"""What the webhook function costs: python3 bench/webhook_baseline.py [--starts 20] [--events 300] [BINARY]

Runs the real release binary (`make build` first) under a Lambda runtime API of our own, with an SQS and a Secrets
Manager that answer at once, and prints one JSON object: size; cold start, split into start (spawn until it asks for its
first event; the secret is read in it) and first event; then, over many events in one environment, the round trip, CPU
time and peak memory. The round trip holds this script's own time too; CPU and memory are the function's alone, as the
operating system counted them. Standard library only; Linux only.
"""

import argparse
import json
import os
import queue
import statistics
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "local-webhook-token-for-sam-local-invoke-only"
EVENT = ROOT / "events/webhook/transactions-historical-update.json"
PATIENCE_SECONDS = 30


class Runtime:
    """The runtime API, and the AWS services that the function calls, on one port."""

    def __init__(self) -> None:
        self.events: queue.Queue = queue.Queue()
        self.answers: queue.Queue = queue.Queue()
        self.asked = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        # A function that is ended leaves its connections broken off; that is no error here.
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def handler(runtime) -> type:  # noqa: N805 (`self` is the handler's)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body go out as one packet; waiting for an acknowledgement between them would cost 40 ms.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                runtime.asked.set()
                event = runtime.events.get()
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                    "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 5_000),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:webhook",
                }
                self.answer(200, event, headers)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if "X-Amz-Target" in self.headers:
                    self.answer(200, aws(self.headers["X-Amz-Target"], json.loads(body)), {})
                else:
                    runtime.answers.put((time.perf_counter(), json.loads(body)))
                    self.answer(202, b"{}", {})

            def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def aws(target: str, body: dict) -> bytes:
    if target.endswith("GetSecretValue") and body.get("VersionStage") == "AWSCURRENT":
        answer = {"SecretString": json.dumps({"token": TOKEN}), "CreatedDate": 1.7e9, "VersionStages": ["AWSCURRENT"]}
    elif target.endswith("GetSecretValue"):
        answer = {"SecretString": json.dumps({"token": "previous"}), "CreatedDate": 1.6e9}
    else:
        entries = [{"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "m"} for entry in body["Entries"]]
        answer = {"Successful": entries, "Failed": []}
    return json.dumps(answer).encode()


class Environment:
    """One execution environment: a fresh process of the binary."""

    def __init__(self, binary: Path) -> None:
        self.runtime = Runtime()
        variables = {
            "AWS_LAMBDA_RUNTIME_API": self.runtime.address,
            "AWS_LAMBDA_FUNCTION_NAME": "webhook",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "webhook",
            "AWS_LAMBDA_LOG_STREAM_NAME": "webhook",
            "AWS_ENDPOINT_URL": f"http://{self.runtime.address}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "QUEUE_URL": f"http://{self.runtime.address}/123456789012/queue.fifo",
            "WEBHOOK_SECRET_ARN": "webhook",
        }
        started = time.perf_counter()
        self.process = subprocess.Popen([binary], env=variables, stdout=subprocess.DEVNULL)
        if not self.runtime.asked.wait(PATIENCE_SECONDS):
            raise SystemExit("the function never asked for an event")
        self.start_ms = (time.perf_counter() - started) * 1_000

    def invoke(self, event: bytes) -> float:
        """One event; its round trip in milliseconds."""
        started = time.perf_counter()
        self.runtime.events.put(event)
        answered, answer = self.runtime.answers.get(timeout=PATIENCE_SECONDS)
        if answer["statusCode"] != 202:
            raise SystemExit(f"the function answered {answer['statusCode']}")
        return (answered - started) * 1_000

    def end(self) -> tuple[float, float]:
        """CPU time in milliseconds and peak memory in MiB of the whole process."""
        self.process.kill()
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        self.runtime.server.shutdown()
        return (usage.ru_utime + usage.ru_stime) * 1_000, usage.ru_maxrss / 1_024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("binary", nargs="?", type=Path, default=ROOT / "target/lambda/webhook/bootstrap")
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--events", type=int, default=300)
    arguments = parser.parse_args()
    event = EVENT.read_bytes()

    starts, firsts, start_cpu = [], [], []
    for _ in range(arguments.starts):
        environment = Environment(arguments.binary)
        starts.append(environment.start_ms)
        firsts.append(environment.invoke(event))
        start_cpu.append(environment.end()[0])

    environment = Environment(arguments.binary)
    trips = [environment.invoke(event) for _ in range(arguments.events)]
    cpu, peak = environment.end()
    print(json.dumps({
        "binary_mib": round(arguments.binary.stat().st_size / 2**20, 2),
        "cold_start_ms": {"start": spread(starts), "first_event": spread(firsts)},
        "cold_start_cpu_ms": spread(start_cpu),
        "events": arguments.events,
        "round_trip_ms": spread(trips[1:]),
        "cpu_ms_per_event": round((cpu - statistics.median(start_cpu)) / (arguments.events - 1), 3),
        "peak_memory_mib": round(peak, 1),
    }, indent=2))


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "min": round(ordered[0], 2),
        "median": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
    }


if __name__ == "__main__":
    main()
