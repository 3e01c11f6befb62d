#!/usr/bin/env python3
"""Compares slowburn with Prometheus under Sloth's rules, and with slo-generator.

    burn_rates.py --slowburn BINARY --shared DIR --work DIR

It writes definitions with a `counts` source over the recorded scenarios, three SLOs each (99.9% over 30 days, 99.5% over 28
days, 99% over 7 days), runs slowburn on the counts, and compares the output of `replay` with the recorded results:

  * sums and known minutes of every recorded window                     exactly
  * the raw conditions of both urgencies and of each tier, at every evaluation minute:
      outside the minutes at which a ratio equals its threshold         with the recorded rules
      everywhere                                                        with exact arithmetic, strictly above
  * remaining budgets                                                   within 1e-12
  * minutes with the budget below zero                                  exactly
  * slo-generator's good and bad events                                 exactly

Any difference ends it with code 1. Standard library only.
"""

import argparse
import csv
import gzip
import io
import json
import subprocess
import sys
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

EVALUATIONS = 57_600
FIRST, LAST = "2026-02-16T00:01Z", "2026-03-28T00:00Z"
SLOS = {"999_30d": ("99.9%", "30d"), "995_28d": ("99.5%", "28d"), "99_7d": ("99%", "7d")}
WINDOWS = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "4d", "12h", "7d", "28d", "30d"]
STEPS = {"1 hour": "1h", "12 hours": "12h", "7 days": "7d", "28 days": "28d"}
LEGS = {"page": {"quick": ("1h", "5m"), "slow": ("6h", "30m")}, "ticket": {"quick": ("1d", "2h"), "slow": ("3d", "6h")}}


def minute(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%MZ")


START = minute(FIRST)


def index(text):
    """Evaluation minutes are numbered from the first."""
    return int((minute(text) - START).total_seconds() // 60)


def minutes(intervals):
    """The evaluation minutes of intervals `[first, last, number]`, and a check that the number is right."""
    found = set()
    for first, last, number in intervals:
        span = range(index(first), index(last) + 1)
        assert len(span) == number, (first, last, number)
        found.update(span)
    return found


def rows(path):
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


class Program:
    def __init__(self, binary, work):
        self.binary, self.place = binary, ["--slos", str(work / "slos"), "--ledger", str(work / "ledger")]

    def __call__(self, command, *arguments, at=LAST):
        line = [self.binary, command, *arguments, *self.place, "--at", at]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(line)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def replay(self, slo, *arguments):
        end = (minute(LAST) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%MZ")
        return self("replay", slo, "--raw", "--from", FIRST, "--to", end, *arguments)


class Tally:
    """The number of comparisons, and the differences."""

    def __init__(self, name):
        self.name, self.compared, self.wrong = name, 0, []

    def equal(self, what, ours, theirs):
        self.compared += 1
        if ours != theirs:
            self.wrong.append(f"{what}: {ours} instead of {theirs}")

    def same_minutes(self, what, ours, theirs, left_out=frozenset(), of=0):
        self.compared += of - len(left_out)
        different = (ours ^ theirs) - left_out
        if different:
            first = (START + timedelta(minutes=min(different))).strftime("%Y-%m-%dT%H:%MZ")
            self.wrong.append(f"{what}: {len(different)} evaluation minutes differ, the first at {first}")

    def near(self, what, ours, theirs):
        self.compared += 1
        if abs(ours - theirs) > 1e-12 + 1e-12 * abs(theirs):
            self.wrong.append(f"{what}: {ours!r} instead of {theirs!r}")


def define(work, scenarios, names, destinations="{}", more=""):
    """Three SLOs for each scenario. `destinations`: of their team; `more`: fields of each SLO.

    Each is a service of its own, so that none joins the thread of another.
    """
    team = work / "slos" / "oracle"
    team.mkdir(parents=True)
    (work / "slos" / "fleet.yaml").write_text(
        f"sources:\n  recorded: {{ counts: {scenarios.resolve()}, delay: 0m }}\nclasses:\n  bare: {{}}\n"
        f"default_class: bare\nteams:\n  oracle: {destinations}\n"
    )
    for name in names:
        for slo, (objective, window) in SLOS.items():
            service = slo_id(name, slo).split("/")[0]
            fields = f"{{ indicator: counts, file: {name}.csv.gz, objective: {objective}, windows: [{window}]{more} }}"
            (team / f"{service}.yaml").write_text(f"service: {service}\nslos:\n  events: {fields}\n")


def slo_id(name, slo):
    return f"{name}-{slo}/events".replace("_", "-")


def compare_windows(tally, table, golden):
    for row in golden:
        mine, window = table[index(row["eval_minute_utc"])], row["window"]
        if row["bad_ratio_prometheus"] == "no_data":
            tally.equal(f"known minutes in {window} at {mine['minute']}", mine[f"known_{window}"], "0")
            continue
        ours = (mine[f"bad_{window}"], mine[f"total_{window}"], mine[f"known_{window}"])
        tally.equal(f"{window} at {mine['minute']}", ours, (row["bad"], row["total"], row["minutes_with_data"]))


def compare_budgets(tally, tables, golden):
    for row in golden:
        mine = tables[row["slo"]][index(row["eval_minute_utc"])]
        window = SLOS[row["slo"]][1]
        ours = (mine[f"bad_{window}"], mine[f"total_{window}"], mine[f"known_{window}"])
        what = f"budget of {row['slo']} at {mine['minute']}"
        tally.equal(what, ours, (row["bad"], row["total"], row["minutes_with_data"]))
        theirs = row["budget_remaining_event_prometheus"]
        if theirs in ("", "nan", "no_data"):
            tally.equal(what, mine["budget_remaining"], "")
        else:
            tally.near(what, float(mine["budget_remaining"]), float(theirs))


def compare_below_zero(tally, tables, golden):
    for slo, intervals in golden["below_zero"].items():
        below = {at for at, row in enumerate(tables[slo]) if row["budget_remaining"] and float(row["budget_remaining"]) < 0}
        tally.same_minutes(f"budget of {slo} below zero", below, minutes(intervals), of=len(tables[slo]))


def at_threshold(table, windows, share):
    """Evaluation minutes at which the ratio of a window equals the threshold in exact arithmetic.

    The recorded `ambiguous` names those at which the urgency as a whole turns on it; a single tier can be at its threshold
    while the other tier of its urgency holds anyway."""
    number, denominator = share.numerator, share.denominator
    return {
        at
        for at, row in enumerate(table)
        for window in windows
        if int(row[f"total_{window}"]) and int(row[f"bad_{window}"]) * denominator == int(row[f"total_{window}"]) * number
    }


def compare_conditions(tally, slo, replay, golden, table):
    evaluations, budget = len(table), 1 - Fraction(SLOS[slo][0].rstrip("%")) / 100
    factors = {(tier["long"], tier["short"]): Fraction(tier["factor"]) for tier in replay["tiers"]}
    tiers = {(tier["long"], tier["short"]): minutes(tier["firing"]) for tier in replay["tiers"]}
    for urgency, legs in LEGS.items():
        theirs = golden[f"sloth_{slo}"][urgency]
        ambiguous, firing = minutes(theirs["ambiguous"]), minutes(theirs["firing"])
        exact = theirs["exact_strict_firing"]
        exact = firing if exact == "same as firing" else minutes(exact)
        ours = minutes(replay[urgency])
        tally.same_minutes(f"{slo} {urgency}, recorded", ours, firing, ambiguous, evaluations)
        tally.same_minutes(f"{slo} {urgency}, exact", ours, exact, of=evaluations)
        for leg, windows in legs.items():
            recorded = minutes(theirs["legs"][leg])
            equal = at_threshold(table, windows, factors[windows] * budget)
            tally.same_minutes(f"{slo} {urgency} {leg}", tiers[windows], recorded, equal, evaluations)


def compare_slo_generator(tally, table, reports):
    for report in reports:
        if not report.get("valid"):
            continue
        mine, window = table[index(report["eval_minute_utc"])], STEPS[report["step"]]
        bad, total = int(mine[f"bad_{window}"]), int(mine[f"total_{window}"])
        theirs = (report["good_events_count"], report["bad_events_count"])
        tally.equal(f"slo-generator, {window} at {mine['minute']}", (total - bad, bad), theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slowburn", required=True)
    parser.add_argument("--shared", required=True, type=Path)
    parser.add_argument("--work", required=True, type=Path)
    options = parser.parse_args()
    oracle = options.shared / "oracle"
    names = [scenario["name"] for scenario in json.loads((oracle / "scenarios.json").read_text())]
    define(options.work, oracle / "scenarios", names)
    program = Program(options.slowburn, options.work)
    program("run", "--quiet")
    reports = {}
    with gzip.open(oracle / "golden" / "slo_generator.jsonl.gz", "rt") as file:
        for line in file:
            report = json.loads(line)
            reports.setdefault(report["scenario"], []).append(report)
    failed = len(names) != 12
    for name in names:
        tally = Tally(name)
        tables, golden = {}, oracle / "golden"
        alerts = json.load(gzip.open(golden / "alerts" / f"{name}.json.gz"))
        for slo in SLOS:
            whole = slo_id(name, slo)
            text = program.replay(whole, "--windows", ",".join(WINDOWS), "--format", "csv")
            tables[slo] = list(csv.DictReader(io.StringIO(text)))
            assert [index(row["minute"]) for row in tables[slo]] == list(range(EVALUATIONS)), f"{whole}: minutes are missing"
            replay = json.loads(program.replay(whole, "--format", "json"))
            compare_conditions(tally, slo, replay, alerts, tables[slo])
        compare_windows(tally, tables["999_30d"], rows(golden / "windows" / f"{name}.csv.gz"))
        compare_budgets(tally, tables, rows(golden / "budget" / f"{name}.csv.gz"))
        compare_below_zero(tally, tables, json.loads((golden / "budget" / f"{name}.below_zero.json").read_text()))
        compare_slo_generator(tally, tables["999_30d"], reports.get(name, []))
        print(f"{name}: {tally.compared} values compared, {len(tally.wrong)} differ", flush=True)
        for line in tally.wrong[:10]:
            print(f"  {line}")
        failed |= bool(tally.wrong) or tally.compared < 100_000
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
