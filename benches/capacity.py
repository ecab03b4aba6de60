"""The load that threads carry, for `benches/compare --capacity`.

Each thread of a server has the same small part of a processor, by SCHED_DEADLINE,
so that a machine of two cores has enough for the load itself. Of a kind of load
there is more and more, until a frame comes late or not at all. That is done with
one thread, with two servers of one thread each that share the load, and with
two threads of one server. Those two have the same company on the machine; they
differ by what threads of one server cost each other.

Wants root, and chrt of util-linux. Of publishers alone, `ingest`, runnel-bench has
not enough on two cores to bring two threads to their limit.
"""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

# The part of each period that a thread has, in milliseconds.
SHARE_MS, PERIOD_MS = 2.5, 20
# Each try has so much more than the one before; one that fails is made once again.
STEP, TRIES = 1.1, 2
# A frame is late after twice `viewers.latency`.
BOUND_MS = 100
LATE_MS = 2 * BOUND_MS
# Seconds from when all sessions are there to the measurement.
WARMUP = 2
# Servers, and threads of each.
ROWS = {"1 thread": (1, 1), "2 servers": (2, 1), "2 threads": (1, 2)}


def capacities(bench, scenario):
    """A record for each row: the most sessions in all; the scenario has those that one thread begins with."""
    records = []
    for name, (servers, threads) in ROWS.items():
        found = most(lambda n: carried(bench, scenario.with_sessions(n), servers, threads), scenario.n * threads)
        sessions = found.pop("each") * servers
        records.append({"scenario": scenario.kind, "server": name, "sessions": sessions} | found)
    return records


def most(carried, n):
    """The result of the largest number that is carried, by steps up from `n`, or down to the first."""
    best = carried(n)
    while best and (more := carried(n := step(n, STEP))):
        best = more
    while not best and n > 1:
        best = carried(n := step(n, 1 / STEP))
    return best or {"each": 0}


def step(n, factor):
    return round(n * factor) if factor < 1 else max(n + 1, round(n * factor))


def carried(bench, scenario, servers, threads):
    """The measured cost, or `None` if frames were late in every try."""
    tries = (attempt(bench, scenario, servers, threads) for _ in range(TRIES))
    return next((found for found in tries if found), None)


def attempt(bench, scenario, servers, threads):
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(bench.run_runnel(scenario, BOUND_MS, threads=threads)) for _ in range(servers)]
        loads = [stack.enter_context(loaded(bench, scenario, server)) for server in running]
        time.sleep(0.5 + scenario.players / 500)
        workers = [worker for server in running for worker in workers_of(server.pids[0])]
        for worker in workers:
            confine(worker)
        begun, before = time.monotonic(), [seconds(worker) for worker in workers]
        time.sleep(WARMUP + bench.seconds / 2)
        passed = time.monotonic() - begun
        busy = [(seconds(worker) - earlier) / passed for worker, earlier in zip(workers, before)]
        reports = [json.loads(load.communicate()[0] or "{}") for load in loads]
    late = max(report[age]["p99"] for report in reports for age in ("latency_ms", "late_ms") if age in report)
    cost = sum(report["server"]["cpu_seconds"] for report in reports) / sum(report["bytes"] for report in reports) * 1e9
    faults = sum(report[fault] for report in reports for fault in ("gaps", "disconnects", "refused"))
    found = {
        "each": scenario.n,
        "late_p99_ms": late,
        "cpu_seconds_per_gb": round(cost, 2),
        "busy": [round(part, 3) for part in busy],
    }
    is_carried = late <= LATE_MS and not faults
    verdict = "carried" if is_carried else "not carried"
    print(f"{servers} x {scenario.name}, {threads} threads: {verdict}: {found} {faults=}", file=sys.stderr)
    return found if is_carried else None


@contextlib.contextmanager
def loaded(bench, scenario, server):
    """A load that ends by itself, and tells of it by one line of JSON."""
    measured = ["-t", bench.seconds, "--warmup", WARMUP, "--server-pid", server.pids[0]]
    push = [*bench.push(scenario), server.url(scenario.publish, scenario)]
    with contextlib.ExitStack() as stack:
        words = [*push, *measured]
        if scenario.players:
            stack.enter_context(bench.publishing(push, 0.5 + scenario.publishers / 500 + (scenario.publishers > 1)))
            words = [*bench.play(scenario), *measured, server.url(scenario.play, scenario)]
        process = stack.enter_context(subprocess.Popen(bench.command(words), stdout=subprocess.PIPE))
        stack.callback(process.kill)
        yield process


def workers_of(pid):
    """The threads that run connections, by their folders."""
    tasks = sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))
    names = {task: (task / "comm").read_text().strip().removeprefix("runnel-") for task in tasks}
    return [task for task, name in names.items() if task.name == str(pid) or name.isdigit()]


def confine(worker):
    """Leaves a thread its part of a processor."""
    share, period = (str(round(ms * 1e6)) for ms in (SHARE_MS, PERIOD_MS))
    times = ["--sched-runtime", share, "--sched-deadline", period, "--sched-period", period]
    subprocess.run(["chrt", "--reset-on-fork", "--deadline", *times, "--pid", "0", worker.name], check=True)


def seconds(worker):
    return int((worker / "schedstat").read_text().split()[0]) / 1e9


def show(records):
    """A row for each, compared with one thread."""
    print(f"{'load':16}{'server':12}{'carries':>8}{'of one':>8}{'s/GB':>8}{'late p99':>10}  busy")
    for record in records:
        one = next(other for other in records if other["scenario"] == record["scenario"])
        ratio = record["sessions"] / max(one["sessions"], 1)
        cells = [f"{record['sessions']:8}{ratio:8.2f}{record.get('cpu_seconds_per_gb', 0):8.2f}"]
        cells += [f"{record.get('late_p99_ms', 0):10.1f}", *(f"{part:.1%}" for part in record.get("busy", []))]
        print(f"{record['scenario']:16}{record['server']:12}" + "  ".join(cells))
