"""The cost of a process: wall clock, CPU seconds, peak memory, and bytes read and written."""

import os
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Cost:
    wall: float
    cpu: float
    peak_mb: float
    read_mb: float
    written_mb: float
    code: int


def cost(command, **options):
    """Runs a command once. Bytes are those of its system calls, from disk or page cache."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    speech = process.stderr.read()
    # A process that has ended keeps its account until somebody asks how it ended.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - start
    with open(f"/proc/{process.pid}/io") as file:
        io = dict(line.split(": ") for line in file.read().splitlines())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise RuntimeError(f"{command} ended with {process.returncode}: {speech.decode()}")
    return Cost(
        wall,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        int(io["rchar"]) / 1e6,
        int(io["wchar"]) / 1e6,
        process.returncode,
    )


def median(costs):
    """Each figure's median; the peak of memory is the largest."""
    middle = lambda figures: sorted(figures)[len(costs) // 2]
    return Cost(
        middle([c.wall for c in costs]),
        middle([c.cpu for c in costs]),
        max(c.peak_mb for c in costs),
        middle([c.read_mb for c in costs]),
        middle([c.written_mb for c in costs]),
        costs[0].code,
    )
