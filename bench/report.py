"""Writes the tables and plots of docs/performance.md from bench/results.json: python3 bench/report.py

Needs matplotlib (.tools/bench-report, which `make bench` installs). Figures are medians of all rounds, with the smallest and the
largest in brackets. A ratio is the median of the ratios in each round (bench/summary.py).
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# Keeps text as text, and makes equal figures give equal files.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "belvo-sync", "font.family": "sans-serif"})
from matplotlib import pyplot  # noqa: E402 (after the choice of the backend)

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from costs import CORE_AT_512_MB, GB, LAMBDA_LINES, dollars  # noqa: E402 (tools/ is no package)

RESULTS = ROOT / "bench/results.json"
PAGE = ROOT / "docs/performance.md"
PLOTS = ROOT / "docs/performance"
MIB = 1024 * 1024
MILLION = 1_000_000

OURS = "ours"
PEERS = ("python", "node")
TITLES = {"ours": "ours (Rust)", "python": "Python + Powertools", "node": "Node.js + Powertools",
          "empty": "an empty function", "one-secret": "one that reads a secret"}
COLORS = {"ours": "#b7410e", "python": "#3776ab", "node": "#3c873a"}
WEBHOOK_MB, SYNC_MB = 256, 512
# Lambda assigns a whole core at 1,769 MB, and less in proportion; see tools/costs.py.
CORE_AT_256_MB = CORE_AT_512_MB / 2
AT_A_REGION = {"sqs_ms": 5, "secrets_ms": 10}
MORE_IS_BETTER = {"items_per_s"}
AT_ONCE = {"sqs_ms": 0, "secrets_ms": 0}

# Figures of one implementation under one setting, from all rounds; see bench/summary.py.
Summary = dict[str, Any]


def main() -> None:
    results = json.loads(RESULTS.read_text())
    page = PAGE.read_text()
    for name, table in tables(results).items():
        begin, end = f"<!-- bench/report.py: {name} -->\n", "<!-- to here -->\n"
        head, found, rest = page.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            sys.exit(f"{PAGE.relative_to(ROOT)} lacks the markers of {name!r}: {begin.strip()} and {end.strip()}")
        page = f"{head}{begin}\n{table}\n{end}{tail}"
    PAGE.write_text(page)
    PLOTS.mkdir(exist_ok=True)
    plot_webhook(results)
    plot_sync(results)


def tables(results: dict[str, Any]) -> dict[str, str]:
    return {
        "summary": summary(results), "webhook": webhook_table(results), "sync": sync_table(results),
        "requests": requests_table(results), "costs": costs_table(results), "limits": limits_table(results),
        "machine": machine(results),
    }


def at(summaries: list[Summary], name: str, **of: Any) -> Summary | None:
    found = [each for each in summaries if each["name"] == name and all(each[key] == value for key, value in of.items())]
    [summary] = found or [None]
    return summary


def median(summary: Summary, figure: str) -> float:
    return summary["figures"][figure]["median"]


def ratio(peer: Summary, figure: str) -> float:
    """Returns how many times better ours is."""
    return 1 / peer["relative"][figure] if figure in MORE_IS_BETTER else peer["relative"][figure]


def spread(summary: Summary | None, figure: str, show: Callable[[float], str]) -> str:
    if summary is None:
        return ""
    values = summary["figures"][figure]
    if summary["rounds"] == 1:
        return show(values["median"])
    return f"{show(values['median'])} ({show(values['min'])} to {show(values['max'])})"


def summary(results: dict[str, Any]) -> str:
    webhook, sync = results["webhook"], results["sync"]
    cold, warm, loads = webhook["cold"], webhook["warm"], sync["runs"]
    zero, many, paced = AT_ONCE, {"items": 100_000, "latency_ms": 0}, {"items": 100_000, "latency_ms": 5}

    def row(what: str, summaries: list[Summary], figure: str, show: Callable[[float], str], target: str,
            of: dict[str, Any]) -> str:
        mine = show(median(at(summaries, OURS, **of), figure))
        peers = [at(summaries, peer, **of) for peer in PEERS]
        theirs = [f"{show(median(peer, figure))} (x {ratio(peer, figure):.2g})" for peer in peers]
        return f"| {what} | {mine} | {theirs[0]} | {theirs[1]} | {target} |"

    zips = {each: webhook["zip_bytes"][each] / MIB for each in (OURS, *PEERS)}
    floor = median(at(cold, "one-secret", **zero), "start_ms")
    start = median(at(cold, OURS, **zero), "start_ms")
    million = at(loads, OURS, items=MILLION)
    flat = " to ".join(f"{median(each, 'peak_mib'):.0f}" for each in (at(loads, OURS, items=10_000, latency_ms=5), million)
                       if each)
    return "\n".join([
        "| figure | ours | Python + Powertools | Node.js + Powertools | target |", "|---|---:|---:|---:|---|",
        row("webhook: cold start, with the first event", cold, "cold_start_ms", ms, "Python x 20, Node.js x 10", zero),
        row("webhook: CPU for an event, after 3,000", warm, "cpu_ms_per_event", ms, "the better peer x 5", zero),
        row("webhook: CPU for each of the first 300 events", warm, "young_cpu_ms_per_event", ms, "", zero),
        row("webhook: peak memory", warm, "peak_mib", mib, "the better peer x 4; below 24 MB", zero),
        f"| webhook: zip | {zips[OURS]:.1f} MiB | {zips['python']:.1f} MiB | {zips['node']:.1f} MiB | below 5 MB |",
        row("sync: CPU for 1,000 transactions", loads, "cpu_s_per_1000", seconds, "the better peer x 8; at most 0.33 s", many),
        row("sync: transactions a second, 5 ms store", loads, "items_per_s", whole, "the better peer x 4", paced),
        row("sync: peak memory at 100,000", loads, "peak_mib", mib, "below 128 MB", paced),
        f"| sync: peak memory, from 10,000 to 1,000,000 | {flat} MiB | | | flat |",
        f"| webhook: start, beside a function that reads one secret | {ms(start)} | {ms(floor)} | | x 2 |",
    ]) + "\n"


def webhook_table(results: dict[str, Any]) -> str:
    cold, warm = results["webhook"]["cold"], results["webhook"]["warm"]
    names = [name for name in TITLES if any(each["name"] == name for each in cold)]
    lines = ["| | calls take | start | first event | warm, median | warm, p99 | CPU an event, the first 300 | after 3,000 "
             "| peak memory |", "|---|---|---:|---:|---:|---:|---:|---:|---:|"]
    for of, calls in ((AT_ONCE, "0 ms"), (AT_A_REGION, "SQS 5, secret 10 ms")):
        for name in names:
            starts, events = at(cold, name, **of), at(warm, name, **of)
            lines.append(
                f"| {TITLES[name]} | {calls} | {spread(starts, 'start_ms', ms)} | {spread(starts, 'first_event_ms', ms)} "
                f"| {spread(events, 'p50_ms', ms)} | {spread(events, 'p99_ms', ms)} "
                f"| {spread(events, 'young_cpu_ms_per_event', ms) if of == AT_ONCE else ''} "
                f"| {spread(events, 'cpu_ms_per_event', ms)} | {spread(events, 'peak_mib', mib)} |"
            )
    return "\n".join(lines) + "\n"


def sync_table(results: dict[str, Any]) -> str:
    runs = results["sync"]["runs"]
    lines = ["| transactions | a call to the store takes | | CPU for 1,000 | transactions a second | peak memory |",
             "|---:|---:|---|---:|---:|---:|"]
    for items, latency_ms in sorted({(each["items"], each["latency_ms"]) for each in runs}):
        for name in (OURS, *PEERS):
            if found := at(runs, name, items=items, latency_ms=latency_ms):
                lines.append(
                    f"| {items:,} | {latency_ms} ms | {TITLES[name]} | {spread(found, 'cpu_s_per_1000', seconds)} "
                    f"| {spread(found, 'items_per_s', whole)} | {spread(found, 'peak_mib', mib)} |"
                )
    return "\n".join(lines) + "\n"


def requests_table(results: dict[str, Any]) -> str:
    lines = ["| a first load of 100,000 | to Belvo | PutItem | other calls to DynamoDB | to SQS | to Secrets Manager |",
             "|---|---:|---:|---:|---:|---:|"]
    for name in (OURS, *PEERS):
        run = at(results["sync"]["runs"], name, items=100_000, latency_ms=5)
        puts = median(run, "dynamodb.PutItem")
        lines.append(
            f"| {TITLES[name]} | {median(run, 'belvo_requests')} | {puts:,} | {calls(run, 'dynamodb') - puts} "
            f"| {calls(run, 'sqs')} | {calls(run, 'secretsmanager')} |"
        )
    return "\n".join(lines) + "\n"


def calls(run: Summary, service: str) -> float:
    return sum(values["median"] for figure, values in run["figures"].items() if figure.startswith(f"{service}."))


def costs_table(results: dict[str, Any]) -> str:
    lines = ["| US dollars for a million | ours | Python + Powertools | Node.js + Powertools |", "|---|---:|---:|---:|"]
    bills = [webhook_bill(results, name) for name in (OURS, *PEERS)]
    # Prices are for a million units, except for seconds and bytes.
    lines += [f"| webhooks: {what} | " + " | ".join(f"{bill[what]:.2f}" for bill in bills) + " |" for what in bills[0]]
    lines.append("| **webhooks** | " + " | ".join(f"**{sum(bill.values()):.2f}**" for bill in bills) + " |")
    bills = [sync_bill(results, name) for name in (OURS, *PEERS)]
    lines += [f"| transactions: {what} | " + " | ".join(f"{bill[what]:.3f}" for bill in bills) + " |" for what in bills[0]]
    lines.append("| **transactions** | " + " | ".join(f"**{sum(bill.values()):.3f}**" for bill in bills) + " |")
    return "\n".join(lines) + "\n"


def limits_table(results: dict[str, Any]) -> str:
    cold, warm = results["webhook"]["cold"], results["webhook"]["warm"]
    zips, floor = results["webhook"]["zip_bytes"], results["sync"]["put_floor"]

    def row(what: str, bound: str, least: float, mine: float, show: Callable[[float], str]) -> str:
        return f"| {what} | {bound} | {show(least)} | {show(mine)} | x {mine / least:.2g} |"

    start, event = (lambda name: median(at(cold, name, **AT_ONCE), "start_ms"),
                    lambda name, figure: median(at(warm, name, **AT_ONCE), figure))
    cpu = median(at(results["sync"]["runs"], OURS, items=100_000, latency_ms=0), "cpu_s_per_1000")
    return "\n".join([
        "| figure | what bounds it | the bound | ours | distance |", "|---|---|---:|---:|---:|",
        row("start", "an empty function on the same runtime crate", start("empty"), start(OURS), ms),
        row("start", "the same, reading one secret with the SDK", start("one-secret"), start(OURS), ms),
        row("CPU for an event", "an empty function: the runtime API's two requests, the event's JSON",
            event("empty", "cpu_ms_per_event"), event(OURS, "cpu_ms_per_event"), ms),
        row("memory", "an empty function", event("empty", "peak_mib"), event(OURS, "peak_mib"), mib),
        row("zip", "an empty function", zips["empty"] / MIB, zips[OURS] / MIB, mib),
        row("CPU for 1,000 transactions", "the same requests sent from memory by a bare TCP client, and what their "
            "signatures hash", floor["sender_cpu_us"] / 1_000, cpu, seconds),
    ]) + "\n"


def webhook_bill(results: dict[str, Any], name: str) -> dict[str, float]:
    run = at(results["webhook"]["warm"], name, **AT_A_REGION)
    busy_s = median(run, "cpu_ms_per_event") / 1_000 / CORE_AT_256_MB
    seconds_each = AT_A_REGION["sqs_ms"] / 1_000 + busy_s
    log_bytes = median(run, "log_bytes_per_event") + LAMBDA_LINES
    return {
        "Lambda, requests": dollars("invocation"),
        "Lambda, duration": MILLION * seconds_each * WEBHOOK_MB / 1024 * dollars("compute"),
        "API Gateway": dollars("door"),
        "SQS": dollars("queue"),
        "logs": MILLION * log_bytes / GB * dollars("log"),
    }


def sync_bill(results: dict[str, Any], name: str) -> dict[str, float]:
    run = at(results["sync"]["runs"], name, items=100_000, latency_ms=5)
    busy_s = median(run, "cpu_s_per_1000") * MILLION / 1_000 / CORE_AT_512_MB
    units = median(run, "dynamodb_units.write") + median(run, "dynamodb_units.index_write")
    return {
        "Lambda, duration of what is computed": busy_s * SYNC_MB / 1024 * dollars("compute"),
        "DynamoDB, writes": units / 100_000 * dollars("write"),
    }


def machine(results: dict[str, Any]) -> str:
    runs = [results[function]["run"] for function in ("webhook", "sync")]
    where = "; ".join(dict.fromkeys(f"{run['cores']} cores of {run['processor']}, {run['date']}" for run in runs))
    versions = [f"{TITLES[name]}: {text}" for name, text in runs[-1]["versions"].items() if text]
    return f"{where}. {'; '.join(versions)}.\n"


def plot_webhook(results: dict[str, Any]) -> None:
    cold, warm = results["webhook"]["cold"], results["webhook"]["warm"]
    figures = [("Cold start, ms", cold, "cold_start_ms"), ("CPU for an event, ms", warm, "cpu_ms_per_event"),
               ("Peak memory, MiB", warm, "peak_mib")]
    drawing, axes = pyplot.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    for axis, (title, summaries, figure) in zip(axes, figures):
        names = [OURS, *PEERS]
        values = [median(at(summaries, name, **AT_ONCE), figure) for name in names]
        bars = axis.barh([TITLES[name] for name in names], values, color=[COLORS[name] for name in names])
        axis.bar_label(bars, [f"{value:.3g}" for value in values], padding=3)
        axis.set_title(title)
        axis.invert_yaxis()
        axis.set_xlim(0, max(values) * 1.2)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[1:]:
        axis.set_yticks([])
    save(drawing, "webhook")


def plot_sync(results: dict[str, Any]) -> None:
    runs = [run for run in results["sync"]["runs"] if run["latency_ms"] == 5]
    figures = [("CPU for 1,000 transactions, s", "cpu_s_per_1000"), ("Transactions a second, 5 ms store", "items_per_s"),
               ("Peak memory, MiB", "peak_mib")]
    drawing, axes = pyplot.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for axis, (title, figure) in zip(axes, figures):
        for name in (OURS, *PEERS):
            sizes = sorted(each["items"] for each in runs if each["name"] == name)
            values = [median(at(runs, name, items=items), figure) for items in sizes]
            axis.plot(sizes, values, marker="o", color=COLORS[name], label=TITLES[name])
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.set_ylim(bottom=0)
        axis.set_title(title)
        axis.set_xlabel("transactions of the link")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    save(drawing, "sync")


def save(drawing: Any, name: str) -> None:
    path = PLOTS / f"{name}.svg"
    drawing.savefig(path, metadata={"Date": None, "Creator": None})
    # No trailing spaces, as everywhere in this repository.
    path.write_text(re.sub(r"[ \t]+$", "", path.read_text(), flags=re.MULTILINE))
    pyplot.close(drawing)


def ms(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def mib(value: float) -> str:
    return f"{value:.1f} MiB" if value < 100 else f"{value:.0f} MiB"


def seconds(value: float) -> str:
    return f"{value:.3f} s"


def whole(value: float) -> str:
    return f"{value:,.0f}"


if __name__ == "__main__":
    main()
