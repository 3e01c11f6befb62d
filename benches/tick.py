"""The tick: 561 services x 3 SLOs, the newest minute, whole processes, from ledgers and windows of several lengths.

    cargo bench --no-run && python3 benches/tick.py [FLEET-BENCH] [7 30 90 400]

`status` evaluates the ledger alone; `run` also reads and stores the log objects of the newest five minutes. Some
services also have timeslice SLOs: one or 50 by timeslices, and as many by a percentile. The first run after their
definition evaluates the whole past, later runs the newest minutes.
Fleets are generated once below target/tick and reused; SLOWBURN names a binary other than the latest build.
"""

import glob
import os
import shutil
import subprocess
import sys

from measure import cost, median

ROUNDS = 5
BINARY = os.environ.get("SLOWBURN", "target/release/slowburn")
AT = "2026-10-31T12:10Z"


def fleet(folder, **about):
    """Makes a fleet unless it is there, and gives what its maker said."""
    said = f"{folder}/said"
    if not os.path.exists(said):
        maker = max(glob.glob("target/release/deps/fleet-*[0-9a-f]"), key=os.path.getmtime)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        made = subprocess.run([maker, folder, *(f"{k}={v}" for k, v in about.items())], check=True, capture_output=True)
        with open(said, "wb") as file:
            file.write(made.stdout)
    with open(said) as file:
        return file.read()


SLICED = """slos:
  steady: { indicator: availability, budgeting: timeslices, slice: 5m, slice_target: 99%, objective: 99% }
  p99: { indicator: latency_percentile, percentile: p99, under: 500ms, objective: 99% }
"""


def with_slices(folder, services):
    """The same promises, and slices for some services; gives the names of the definitions and of a ledger to cut."""
    slos, ledger = f"slos-{services}", f"ledger-{services}"
    for made in (slos, ledger):
        shutil.rmtree(f"{folder}/{made}", ignore_errors=True)
    shutil.copytree(f"{folder}/slos", f"{folder}/{slos}")
    for number in range(services):
        name = f"service-{number:04}"
        with open(f"{folder}/{slos}/team-{number % 40:02}/{name}.yaml", "a") as file:
            file.write(SLICED)
    shutil.copytree(f"{folder}/ledger", f"{folder}/{ledger}")
    return slos, ledger


def place(folder, slos="slos", ledger="ledger"):
    return ["--slos", f"{folder}/{slos}", "--ledger", f"{folder}/{ledger}", "--at", AT]


def status(folder, *names):
    return median([cost([BINARY, "status", *place(folder, *names)]) for _ in range(ROUNDS)])


def run(folder, slos="slos", ledger="ledger"):
    """A run changes the ledger, so each has a copy of its own."""
    costs = []
    for _ in range(ROUNDS):
        copy = f"{folder}/copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(f"{folder}/{ledger}", copy)
        costs.append(cost([BINARY, "run", *place(folder, slos, "copy")]))
        shutil.rmtree(copy)
    return median(costs)


def show(name, figures):
    print(
        f"{name:<34} {figures.wall:7.3f} s wall {figures.cpu:7.3f} s CPU {figures.peak_mb:6.0f} MB "
        f"{figures.read_mb:7.2f} MB read {figures.written_mb:6.2f} MB written",
        flush=True,
    )


def main():
    for days in [int(days) for days in sys.argv[1:]] or [7, 30, 90, 400]:
        folder = f"target/tick/{days}"
        said = fleet(folder, services=561, days=days, window=f"{days}d")
        if days == 30:
            print(said)
            sizes = dict(line.split(": ") for line in said.splitlines()[1:])
            bytes_of = lambda kind: int(sizes.get(kind, "0 bytes").split()[0])
            objects = int(said.split(" log objects")[0].split()[-1])
            cells = 1683 * (30 * 1440 - 720)
            print(f"{bytes_of('minutes') / cells:.2f} bytes per (SLO, minute), {bytes_of('objects') / objects:.1f} per log object")
        show(f"{days}d: status", status(folder))
        show(f"{days}d: run, nothing older listed", run(folder))
        for services in (1, 50):
            names, what = with_slices(folder, services), f"{days}d, {2 * services} with slices"
            show(f"{what}: cut once", cost([BINARY, "run", "--offline", *place(folder, *names)]))
            show(f"{what}: status", status(folder, *names))
            show(f"{what}: run", run(folder, *names))
            shutil.rmtree(f"{folder}/{names[1]}")


if __name__ == "__main__":
    main()
