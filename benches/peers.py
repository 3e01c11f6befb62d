"""The speed of a scan as whole processes, side by side in one run: CPU time, and its ratio to a baseline.

    cargo build --release && cargo bench --bench scan --no-run
    python3 -m pip install --target target/peers duckdb==2.0.0 polars==2.1.0
    python3 benches/peers.py [--files 3456] [--lines 1157] [--rounds 3]

It writes its own logs, 4.0 million lines or 3 GB by default, below `target/peers-logs`: once plain and once packed, for eight
services behind one load balancer. Every process but the two-core one is held to one core.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "target" / "peers-logs"
BALANCER = "app/mart/50dc6c495c0c9188"
SERVICES = 8

FIELDS = (
    "type time elb client target request_processing_time target_processing_time response_processing_time "
    "elb_status_code target_status_code received sent request agent cipher protocol target_group trace domain "
    "certificate rule created actions redirect reason targets target_codes classification classification_reason "
    "connection host uri transform address"
).split()
TYPES = {"time": "TIMESTAMP", "target_processing_time": "DOUBLE", "elb_status_code": "INTEGER"}
QUERY = """
SELECT target_group, date_trunc('minute', time) AS minute, count(*) AS total,
       count(*) FILTER (elb_status_code >= 500) AS bad,
       count(*) FILTER (target_processing_time >= 0) AS answered,
       count(*) FILTER (target_processing_time > 0.3) AS slow
FROM read_csv('{files}', delim = ' ', quote = '"', escape = '"', header = false, auto_detect = false, columns = {columns})
GROUP BY ALL
"""


def count_with_duckdb(folder):
    import duckdb

    columns = {name: TYPES.get(name, "VARCHAR") for name in FIELDS}
    connection = duckdb.connect(config={"threads": 1})
    rows = connection.execute(QUERY.format(files=f"{folder}/**/*.log*", columns=columns)).fetchall()
    print(sum(row[2] for row in rows), sum(row[3] for row in rows), sum(row[5] for row in rows))


def count_with_polars(folder):
    import polars as pl

    frame = pl.scan_csv(f"{folder}/**/*.log*", separator=" ", has_header=False, new_columns=FIELDS, infer_schema=False)
    counts = (
        frame.with_columns(minute=pl.col("time").str.slice(0, 16), status=pl.col("elb_status_code").cast(pl.Int32, strict=False),
                           taken=pl.col("target_processing_time").cast(pl.Float64, strict=False))
        .group_by("target_group", "minute")
        .agg(pl.len().alias("total"), (pl.col("status") >= 500).sum().alias("bad"), (pl.col("taken") > 0.3).sum().alias("slow"))
        .collect()
    )
    print(*(counts[name].sum() for name in ("total", "bad", "slow")))


def timed(command, cores="0", environment=None):
    """CPU seconds, wall seconds and peak memory in MB of a command, and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen(["taskset", "-c", cores, *map(str, command)], stdout=subprocess.PIPE, env=environment)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        sys.exit(f"{command} ended with {status}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, output.decode()


def definitions(folder, services):
    """As many services as asked for; those beyond the eight that the logs know have no traffic."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mart").mkdir(parents=True)
    (folder / "fleet.yaml").write_text(
        "sources:\n  logs: { access_logs: ./logs }\nteams: { mart: {} }\nclasses:\n  bare: { windows: [1d], tiers: none, slos: "
        "{ availability: 99.9%, latency: { objective: 99%, under: 300ms } } }\ndefault_class: bare\n"
    )
    for service in range(services):
        (folder / f"mart/s{service}.yaml").write_text(
            f"service: s{service}\nload_balancer: {BALANCER}\ntarget_group: mart-service-{service}\n"
        )
    return folder


def slowburn(logs, services=SERVICES, threads=1):
    """A run that reads all of the logs into an empty ledger and judges every promise."""
    ledger = LOGS / "ledger"
    shutil.rmtree(ledger, ignore_errors=True)
    slos = LOGS / f"slos-{services}"
    return [ROOT / "target/release/slowburn", "run", "--quiet", "--slos", slos, "--logs", logs, "--ledger", ledger, "--threads",
            threads, "--at", "2026-11-01T00:10Z"]  # fmt: skip


def counted():
    """What the last run of slowburn counted: requests, bad ones, slow ones."""
    place = ["--slos", LOGS / f"slos-{SERVICES}", "--ledger", LOGS / "ledger", "--at", "2026-11-01T00:10Z"]
    rows = timed([ROOT / "target/release/slowburn", "export", *place])[3].splitlines()[1:]
    sums = {"availability": [0, 0], "latency": [0, 0]}
    for row in rows:
        slo, _, total, bad = row.split(",")
        sums[slo.split("/")[1]][0] += int(total)
        sums[slo.split("/")[1]][1] += int(bad)
    return f"{sums['availability'][0]} {sums['availability'][1]} {sums['latency'][1]}"


def write(bench, folder, files, lines):
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([bench, "write", folder, str(files), str(lines)], check=True)
        (folder / "complete").touch()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3456)
    parser.add_argument("--lines", type=int, default=1157)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", type=int, default=75_000, help="files of five lines")
    arguments = parser.parse_args()
    found = [path for path in (ROOT / "target/release/deps").glob("scan-*") if not path.suffix]
    bench = max(found, key=lambda path: path.stat().st_mtime)
    large, tiny = LOGS / f"{arguments.files}x{arguments.lines}", LOGS / f"{arguments.tiny}x5"
    write(bench, large, arguments.files, arguments.lines)
    write(bench, tiny, arguments.tiny, 5)
    for services in (SERVICES, 10, 1_000):
        definitions(LOGS / f"slos-{services}", services)
    packed, plain = large / "packed", large / "plain"
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "target/peers"), POLARS_MAX_THREADS="1")
    lines_alone = ["sh", "-c", f"find {plain} -name '*.log' -print0 | xargs -0 wc -l | tail -n 1"]
    works = {
        "libdeflate alone": lambda: timed([bench, "inflate", packed]),
        "slowburn, packed": lambda: timed(slowburn(packed)),
        "slowburn, packed, two cores": lambda: timed(slowburn(packed, threads=2), "0,1"),
        "slowburn, packed, 10 services": lambda: timed(slowburn(packed, services=10)),
        "slowburn, packed, 1,000 services": lambda: timed(slowburn(packed, services=1_000)),
        "wc -l": lambda: timed(lines_alone),
        "slowburn, plain": lambda: timed(slowburn(plain)),
        f"slowburn, {arguments.tiny:,} files of 5 lines": lambda: timed(slowburn(tiny / "packed")),
        f"libdeflate alone, {arguments.tiny:,} files": lambda: timed([bench, "inflate", tiny / "packed"]),
    }
    peers = {
        "duckdb, packed": lambda: timed([sys.executable, __file__, "duckdb", packed], environment=environment),
        "duckdb, plain": lambda: timed([sys.executable, __file__, "duckdb", plain], environment=environment),
        "polars, packed": lambda: timed([sys.executable, __file__, "polars", packed], environment=environment),
        "polars, plain": lambda: timed([sys.executable, __file__, "polars", plain], environment=environment),
    }
    figures = {name: [] for name in [*works, *peers]}
    exact = {}
    for name, work in [(name, work) for _ in range(arguments.rounds) for name, work in works.items()] + list(peers.items()):
        figures[name].append(work())
        exact[name] = counted() if name == "slowburn, plain" else figures[name][-1][3].strip()
    cpu = {name: statistics.median(figure[0] for figure in of) for name, of in figures.items()}
    wall = {name: statistics.median(figure[1] for figure in of) for name, of in figures.items()}
    print(f"{'':<38} {'CPU s':>7} {'wall s':>7} {'MB':>5}  requests, bad, slow")
    for name, of in figures.items():
        told = exact[name] if name in peers or name == "slowburn, plain" else ""
        print(f"{name:<38} {cpu[name]:>7.2f} {wall[name]:>7.2f} {max(figure[2] for figure in of):>5.0f}  {told}")
    ratio = lambda one, other, of=cpu: of[one] / of[other]
    print()
    print(f"packed: {ratio('slowburn, packed', 'libdeflate alone'):.2f}x libdeflate alone")
    print(f"plain: {ratio('slowburn, plain', 'wc -l'):.2f}x wc -l")
    for peer in ("duckdb", "polars"):
        print(f"{peer}: {ratio(f'{peer}, packed', 'slowburn, packed'):.1f}x ours packed, {ratio(f'{peer}, plain', 'slowburn, plain'):.1f}x plain")
    print(f"two cores: {ratio('slowburn, packed', 'slowburn, packed, two cores', wall):.2f}x one")
    services = ratio("slowburn, packed, 1,000 services", "slowburn, packed, 10 services")
    print(f"1,000 services: {100 * (services - 1):.1f}% more than 10")


if __name__ == "__main__":
    if sys.argv[1:2] == ["duckdb"]:
        count_with_duckdb(sys.argv[2])
    elif sys.argv[1:2] == ["polars"]:
        count_with_polars(sys.argv[2])
    else:
        main()
