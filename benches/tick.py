"""The tick: 561 services x 3 SLOs, the newest minute, whole processes, from ledgers and windows of several lengths.

    cargo bench --no-run && python3 benches/tick.py [FLEET-BENCH] [7 30 90 400]

`status` judges from the ledger alone; `run` also reads the log objects of the newest five minutes and keeps them.
Fleets are made once below target/tick and used again.
"""

import glob
import os
import shutil
import subprocess
import sys

from measure import cost, median

ROUNDS = 5
BINARY = "target/release/slowburn"
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


def place(folder, ledger="ledger"):
    return ["--slos", f"{folder}/slos", "--ledger", f"{folder}/{ledger}", "--at", AT]


def status(folder):
    return median([cost([BINARY, "status", *place(folder)]) for _ in range(ROUNDS)])


def run(folder, *more):
    """A run changes the ledger, so each has a copy of its own."""
    costs = []
    for _ in range(ROUNDS):
        copy = f"{folder}/copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(f"{folder}/ledger", copy)
        costs.append(cost([BINARY, "run", *place(folder, "copy"), *more]))
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


if __name__ == "__main__":
    main()
