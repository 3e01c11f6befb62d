"""Counts the same access logs with DuckDB's read_csv, to compare with `slowburn run` by whole-process CPU time.

By hand only:
    python3 -m pip install --target target/peers duckdb==2.0.0
    python3 benches/peers.py DIRECTORY [-- COMMAND ...]
DIRECTORY holds `AWSLogs/`. A command behind `--` is run and timed in the same way and compared.
Both read every file once on two threads; DuckDB gets all types given, which is its fastest way.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

QUERY = """
SELECT elb, date_trunc('minute', time) AS minute, count(*) AS total,
       count(*) FILTER (elb_status_code >= 500) AS bad,
       count(*) FILTER (target_processing_time >= 0) AS answered,
       count(*) FILTER (target_processing_time > 0.3) AS slow
FROM read_csv('{files}', delim = ' ', quote = '"', escape = '"', header = false, auto_detect = false,
              null_padding = true, ignore_errors = true, columns = {columns})
GROUP BY ALL
"""

# Names in order; all that is not counted stays text.
FIELDS = (
    "type time elb client target request_processing_time target_processing_time response_processing_time "
    "elb_status_code target_status_code received sent request agent cipher protocol target_group trace domain "
    "certificate rule created actions redirect reason targets target_codes classification classification_reason "
    "connection host uri transform address"
).split()
TYPES = {
    "time": "TIMESTAMP",
    "target_processing_time": "DOUBLE",
    "elb_status_code": "INTEGER",
}


def width(files):
    """How many fields the lines have: read_csv wants the exact number of columns."""
    import gzip
    import shlex

    opened = gzip.open(files[0], "rt") if files[0].suffix == ".gz" else open(files[0])
    with opened as text:
        return len(shlex.split(text.readline()))


def count_with_duckdb(directory):
    import duckdb

    files = sorted(Path(directory).rglob("*.log.gz")) or sorted(Path(directory).rglob("*.log"))
    names = FIELDS[: width(files)]
    columns = {name: TYPES.get(name, "VARCHAR") for name in names}
    pattern = f"{directory}/**/*{'.log.gz' if files[0].suffix == '.gz' else '.log'}"
    connection = duckdb.connect(config={"threads": 2})
    rows = connection.execute(QUERY.format(files=pattern, columns=columns)).fetchall()
    print(f"duckdb {duckdb.__version__}: {sum(row[2] for row in rows)} requests, {sum(row[3] for row in rows)} bad")


def timed(command, environment=None):
    """Runs a command; gives its CPU seconds, its wall seconds and its peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, after.ru_maxrss / 1024


def main(arguments):
    if arguments[:1] == ["--count"]:
        count_with_duckdb(arguments[1])
        return
    directory, own = arguments[0], arguments[2:]
    peers = Path(__file__).resolve().parent.parent / "target" / "peers"
    environment = dict(os.environ, PYTHONPATH=str(peers))
    # The program first: the peak memory of children only ever grows.
    runs = [("yours", own, None)] if own else []
    runs.append(("duckdb", [sys.executable, __file__, "--count", directory], environment))
    figures = {name: timed(command, its_environment) for name, command, its_environment in runs}
    for name, (cpu, wall, memory) in figures.items():
        print(f"{name:8} {cpu:8.2f} s CPU {wall:8.2f} s wall  peak so far {memory:6.0f} MB")
    if own:
        print(f"duckdb / yours: {figures['duckdb'][0] / figures['yours'][0]:.1f}x CPU")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
