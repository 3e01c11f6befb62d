"""Checks machine-readable output with independent tools: the status with jsonschema, metrics with promtool, and budgets
per day in Parquet with DuckDB, compared with the CSV.

promtool comes from the Debian package `prometheus`, which is fetched and unpacked but not installed; without apt-get that
check is skipped with a note.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import jsonschema

FLEET = """sources: { given: { counts: ./counts, delay: 1m } }
teams: { mart: {} }
"""
SERVICE = """service: {name}
slos:
  orders: {{ indicator: counts, file: orders.csv, objective: 99.9%, windows: [7d, month] }}
  idle: {{ indicator: counts, file: idle.csv, objective: 99%, windows: [7d] }}
"""
NAMES = ["checkout", "search-2", "a.b_c"]
AT = "2026-11-23T08:00Z"


def promtool(cache):
    """The binary, downloaded once; None if that fails."""
    program = cache / "usr/bin/promtool"
    if found := shutil.which("promtool"):
        return found
    if not program.exists():
        if not shutil.which("apt-get"):
            return None
        cache.mkdir(parents=True, exist_ok=True)
        fetch = ["apt-get", "download", "prometheus"]
        if subprocess.run(fetch, cwd=cache, capture_output=True).returncode:
            subprocess.run(["apt-get", "update", "-q"], capture_output=True)
            subprocess.run(fetch, cwd=cache, check=True, capture_output=True)
        package = next(cache.glob("prometheus_*.deb"))
        subprocess.run(["dpkg", "-x", package, cache], check=True)
        package.unlink()
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slowburn", required=True)
    parser.add_argument("--cache", type=Path, default=Path(__file__).resolve().parents[2] / "target/test-packages/promtool")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "slos/mart").mkdir(parents=True)
        (folder / "counts").mkdir()
        (folder / "slos/fleet.yaml").write_text(FLEET)
        for number, name in enumerate(NAMES):
            (folder / f"slos/mart/{number}.yaml").write_text(SERVICE.format(name=json.dumps(name)))
        minutes = [f"2026-11-{day:02}T{minute // 60:02}:{minute % 60:02}Z" for day in range(9, 23) for minute in range(1440)]
        lines = [f"{minute},100,{int(place % 700 == 0) * 30}" for place, minute in enumerate(minutes)]
        (folder / "counts/orders.csv").write_text("\n".join(["minute,total,bad", *lines, ""]))
        (folder / "counts/idle.csv").write_text("\n".join(["minute,total,bad", *(f"{minute},0,0" for minute in minutes), ""]))

        def run(*words):
            command = [str(Path(arguments.slowburn).resolve()), *words]
            return subprocess.run(command, cwd=folder, env={"SLOWBURN_AT": AT}, check=True, capture_output=True).stdout.decode()

        run("run", "--quiet", "--silent")
        schema = json.loads(run("schema", "status"))
        status = json.loads(run("status", "--format", "json"))
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(status)
        undescribed = [name for name, field in schema["$defs"]["Slo"]["properties"].items() if "description" not in field]
        if undescribed:
            sys.exit(f"fields without a description: {undescribed}")
        print(f"status: {len(status['slos'])} rows are as the schema says, each field of which is described")

        metrics = run("status", "--format", "openmetrics")
        if program := promtool(arguments.cache):
            checked = subprocess.run([program, "check", "metrics"], input=metrics.encode(), capture_output=True)
            said = (checked.stdout + checked.stderr).decode().strip()
            if checked.returncode or said:
                sys.exit(f"promtool: code {checked.returncode}: {said}")
            print(f"metrics: promtool finds nothing wrong with {len(metrics.splitlines())} lines")
        else:
            print("metrics: left out, because there is neither promtool nor apt-get")

        run("export", "--what", "budgets", "--out", "budgets.csv")
        run("export", "--what", "budgets", "--format", "parquet", "--out", "budgets.parquet")
        both = [
            duckdb.sql(f"select * from {source} order by all").fetchall()
            for source in (f"'{folder}/budgets.parquet'", f"read_csv('{folder}/budgets.csv', header = true, types = {{'day': 'VARCHAR'}})")
        ]
        if not both[0] or both[0] != both[1]:
            sys.exit(f"Parquet and CSV differ: {both[0][:2]} and {both[1][:2]}")
        print(f"budgets: DuckDB reads the same {len(both[0])} rows of Parquet and CSV")


if __name__ == "__main__":
    main()
