"""Counts firing minutes with numpy and polars on the columns of the burn bench, to compare by CPU time.

By hand only:
    python3 -m pip install --target target/peers numpy==2.4.6 polars==2.1.0
    python3 benches/burn_peers.py [SLOS]
All have the columns in memory before the clock starts, take the best of three runs, and must find the same firing minutes.
Without SLOS, numpy and polars do all 1,683. With it they process only that many, and their time is scaled linearly.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "target" / "peers"
COLUMNS = PEERS / "columns"
FLEET = 1_683
DAYS, SLOTS = 30, 1_440
# Long and short window in minutes, and the share of bad events that both must exceed: burn rate times the budget of
# 99.9%, 14.4 x 1/1000 = 9/625 and so on. Whole numbers, so that a comparison is exact everywhere.
CONDITIONS = [(60, 5, 9, 625), (360, 30, 3, 500), (1_440, 120, 3, 1_000), (4_320, 360, 1, 1_000)]


def columns(slos):
    """Minutes of each SLO in a row of its own; the files hold day by day what the ledger holds."""
    import numpy

    def column(name):
        days = numpy.memmap(COLUMNS / name, dtype="<u4", mode="r", shape=(DAYS, FLEET, SLOTS))[:, :slos]
        return numpy.ascontiguousarray(days.transpose(1, 0, 2)).reshape(slos, DAYS * SLOTS)

    return column("total.u32"), column("bad.u32")


def firing_with_numpy(total, bad):
    """Prefix sums, differences of them for each window, comparisons: an SLO at a time, which fits the cache."""
    import numpy

    minutes = total.shape[1]
    firing = [0] * len(CONDITIONS)
    sums = numpy.zeros((2, minutes + 1), dtype=numpy.int64)
    for slo in range(len(total)):
        numpy.cumsum(total[slo], out=sums[0, 1:])
        numpy.cumsum(bad[slo], out=sums[1, 1:])
        windows = {}
        for length in {length for condition in CONDITIONS for length in condition[:2]}:
            # An evaluation looks at the minutes before its own.
            window = sums[:, :-1].copy()
            window[:, length:] -= sums[:, : -1 - length]
            windows[length] = window
        for place, (long, short, numerator, denominator) in enumerate(CONDITIONS):
            above = [
                windows[length][1] * denominator > windows[length][0] * numerator for length in (long, short)
            ]
            firing[place] += int(numpy.count_nonzero(above[0] & above[1]))
    return firing


def firing_with_polars(total, bad):
    """rolling_sum for each window as expressions of one frame per SLO, whose windows polars evaluates in parallel."""
    import polars

    def rolling(name, length):
        return polars.col(name).rolling_sum(length, min_samples=1).alias(f"{name}_{length}")

    lengths = sorted({length for condition in CONDITIONS for length in condition[:2]})
    sums = [rolling(name, length) for name in ("total", "bad") for length in lengths]
    holds = []
    for place, (long, short, numerator, denominator) in enumerate(CONDITIONS):
        above = [
            polars.col(f"bad_{length}") * denominator > polars.col(f"total_{length}") * numerator
            for length in (long, short)
        ]
        # Row i ends with minute i, so it is evaluation i + 1; the last one lies outside.
        holds.append((above[0] & above[1]).head(total.shape[1] - 1).sum().alias(str(place)))
    firing = [0] * len(CONDITIONS)
    for slo in range(len(total)):
        frame = polars.DataFrame({"total": total[slo], "bad": bad[slo]}).cast(polars.Int64)
        counted = frame.lazy().select(sums).select(holds).collect()
        firing = [sum(pair) for pair in zip(firing, counted.row(0))]
    return firing


def measure(peer, slos):
    """In a process of its own: the best CPU seconds, and the firing minutes."""
    firing = {"numpy": firing_with_numpy, "polars": firing_with_polars}[peer]
    given = columns(slos)
    best = float("inf")
    for _ in range(3):
        # process_time adds up all threads of the process.
        start = time.process_time()
        found = firing(*given)
        best = min(best, time.process_time() - start)
    module = __import__(peer)
    print(json.dumps({"seconds": best, "firing": found, "version": module.__version__}))


def measured(peer, slos):
    # A core type that was set for another machine would make numpy's kernels slower or wrong.
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    environment["PYTHONPATH"] = str(PEERS)
    command = [sys.executable, __file__, "--measure", peer, str(slos)]
    return json.loads(subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE).stdout)


def ours():
    """The bench writes its columns, then measures itself on one thread: wall time is CPU time."""
    command = ["cargo", "bench", "--locked", "--bench", "burn", "--", "--columns", str(COLUMNS)]
    line = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    print(line)
    milliseconds = float(re.search(r"conditions \S+ = (\S+) ms", line)[1])
    firing = [int(number) for number in re.search(r"\[([^]]+)\] firing", line)[1].split(",")]
    return milliseconds / 1e3, firing


def main(slos):
    seconds, firing = ours()
    for peer in ("numpy", "polars"):
        found = measured(peer, slos)
        scaled = found["seconds"] * FLEET / slos
        how = "" if slos == FLEET else f", scaled from {found['seconds']:.2f} s for {slos}"
        print(f"{peer} {found['version']}: {scaled:.2f} s CPU for {FLEET} SLOs{how}: {scaled / seconds:.0f}x ours")
        if slos == FLEET and found["firing"] != firing:
            sys.exit(f"{peer} finds {found['firing']} firing minutes, we find {firing}")
        print(f"  firing minutes {found['firing']}" + (", the same as ours" if slos == FLEET else ""))
    for file in COLUMNS.iterdir():
        file.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else FLEET)
