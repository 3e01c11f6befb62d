"""How the CPU time of whole processes grows with lines, files, services, SLOs and days: nothing may be quadratic.

    pip install --target target/peers matplotlib
    cargo bench --no-run && python3 benches/growth.py

It generates its data below target/growth once, prints the exponent of each growth, and draws benches/growth.png.
"""

import glob
import gzip
import math
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.getcwd(), "target/peers"))

from measure import cost, median
from tick import AT, BINARY, fleet, place

FOLDER = "target/growth"
ROUNDS = 3
NODES = ("192.0.2.7", "192.0.2.130")
BASE = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/10/31"


def once(folder, make):
    """Makes a folder unless it was made whole before."""
    if not os.path.exists(f"{folder}/made"):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        make(folder)
        open(f"{folder}/made", "w").close()
    return folder


def run(slos, logs, at):
    """The median cost of reading logs into a new ledger."""
    costs = []
    for _ in range(ROUNDS):
        ledger = f"{FOLDER}/ledger"
        shutil.rmtree(ledger, ignore_errors=True)
        costs.append(cost([BINARY, "run", "--slos", slos, "--logs", logs, "--ledger", ledger, "--at", at, "--days", "3"]))
    return median(costs)


def line(balancer, group, number):
    """A line as a balancer writes it, of a second of the first minutes of the day."""
    time = f"2026-10-31T00:{number // 60 % 5:02}:{number % 60:02}.{number % 1000000:06}Z"
    return (
        f"h2 {time} {balancer} 203.0.113.{number % 250}:40000 10.1.2.3:8080 0.000 0.{number * 7 % 900:03} 0.000 200 200 "
        f'300 4000 "GET https://www.example.com:443/v1/items/{number} HTTP/2.0" "okhttp/4.12.0" TLS_AES_128_GCM_SHA256 '
        f"TLSv1.3 arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{group}/73e2d6bc24d8a067 "
        f'"Root=1-{number:08x}-{number * 7919:024x}" "www.example.com" "-" 1 {time} "forward" "-" "-" "10.1.2.3:8080" '
        f'"200" "-" "-" TID_{number * 104729:032x}\n'
    )


def write_object(logs, balancer, end, node, letters, lines):
    name = f"123456789012_elasticloadbalancing_eu-west-1_{balancer.replace('/', '.')}_{end}_{node}_{letters}.log.gz"
    os.makedirs(f"{logs}/{BASE}", exist_ok=True)
    with open(f"{logs}/{BASE}/{name}", "wb") as file:
        file.write(gzip.compress("".join(lines).encode(), 6))


def write_services(folder, services):
    """Definitions of services, each by name, balancer and target group."""
    for name, balancer, group in services:
        os.makedirs(f"{folder}/team", exist_ok=True)
        with open(f"{folder}/team/{name}.yaml", "w") as file:
            file.write(f"service: {name}\nload_balancer: {balancer}\ntarget_group: {group}\n")


def lines():
    """A day of the simulated fleet with more and more traffic: the same files, but longer."""
    for scale in (1.5, 5, 15, 45):
        simulate = lambda to: subprocess.run(
            [BINARY, "simulate", "--out", to, "--from", "2026-10-02", "--days", "1", "--scale", str(scale)],
            check=True,
            capture_output=True,
        )
        logs = once(f"{FOLDER}/lines-{scale}", simulate)
        yield count_lines(logs), run("slos", logs, "2026-10-03T00:00Z")


def count_lines(logs):
    if not os.path.exists(f"{logs}/count"):
        files = glob.glob(f"{logs}/**/*.log.gz", recursive=True)
        number = sum(gzip.open(file).read().count(b"\n") for file in files)
        with open(f"{logs}/count", "w") as file:
            file.write(str(number))
    with open(f"{logs}/count") as file:
        return int(file.read())


def files():
    """Tiny files: 130 balancers with two nodes, more and more intervals of a day."""
    balancers = [f"app/alb-{number:03}/{number * 7919:016x}" for number in range(130)]
    slos = once(f"{FOLDER}/files-slos", lambda to: write_services(to, [(f"s{n:03}", b, "g") for n, b in enumerate(balancers)]))
    for intervals in (4, 20, 77, 288):

        def write(logs):
            for interval in range(1, intervals + 1):
                end = f"20261031T{interval // 12:02}{interval * 5 % 60:02}Z" if interval < 288 else "20261101T0000Z"
                for balancer in balancers:
                    for node in NODES:
                        write_object(logs, balancer, end, node, "1a2b3c4d", [line(balancer, "g", 1)])

        logs = once(f"{FOLDER}/files-{intervals}", write)
        yield intervals * len(balancers) * len(NODES), run(slos, logs, "2026-11-01T00:00Z")


def services():
    """The same 500,000 lines of 1,000 target groups, more and more of which have a service."""
    balancer = "app/mart/50dc6c495c0c9188"

    def write(logs):
        for letters in range(100):
            some = range(letters * 5_000, (letters + 1) * 5_000)
            text = [line(balancer, f"group-{number * 7919 % 1_000}", number) for number in some]
            write_object(logs, balancer, "20261031T0005Z", NODES[0], f"{letters:08}", text)

    logs = once(f"{FOLDER}/services-logs", write)
    for number in (10, 30, 100, 300, 1_000):
        names = [(f"s{n:04}", balancer, f"group-{n}") for n in range(number)]
        slos = once(f"{FOLDER}/services-{number}", lambda to: write_services(to, names))
        yield number, run(slos, logs, "2026-11-01T00:00Z")


def status(folder):
    return median([cost([BINARY, "status", *place(folder)]) for _ in range(ROUNDS)])


def slos():
    """Promises that are judged from a ledger of three days."""
    for number in (34, 100, 334, 1_000, 3_334):
        folder = f"{FOLDER}/slos-{number}"
        fleet(folder, services=number, days=3, object_days=0, lines=1)
        yield number * 3, status(folder)


def days():
    """300 promises over longer and longer windows, from a ledger as long."""
    for number in (7, 30, 90, 400):
        folder = f"{FOLDER}/days-{number}"
        fleet(folder, services=100, days=number, object_days=0, lines=1, window=f"{number}d")
        yield number, status(folder)


def exponent(points):
    """Slope of the line through the points, in logarithms, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(column) / len(logs) for column in zip(*logs))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def short(number):
    """1,073,348 as 1.1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.{0 if number >= 10 * size else 1}f}{letter}".replace(".0", "")
    return str(number)


def draw(series):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(series), figsize=(12.5, 2.9), layout="constrained")
    for axis, (name, points, slope, last) in zip(axes, series):
        axis.loglog(*zip(*points), "o-", color="#3a6ea5", linewidth=1.5, markersize=4)
        (x, y), top = points[-1], points[-1][1]
        start = points[0][0]
        axis.loglog([start, x], [y * start / x, y], ":", color="#999999", linewidth=1)
        axis.set_title(f"{name}: exponent {last:.2f}", fontsize=10)
        axis.set_ylim(min(p[1] for p in points) / 3, top * 3)
        axis.tick_params(labelsize=8, which="both")
        axis.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        axis.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        axis.set_xticks([x for x, _ in points], [short(x) for x, _ in points])
        axis.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axis.grid(True, which="major", color="#eeeeee")
    axes[0].set_ylabel("CPU seconds", fontsize=9)
    figure.suptitle("CPU time of whole processes; dotted: in proportion; exponent of the last step", fontsize=10)
    figure.savefig("benches/growth.png", dpi=80)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    series = []
    for measured in (lines, files, services, slos, days):
        points = []
        for size, figures in measured():
            points.append((size, figures.cpu))
            print(
                f"{measured.__name__:<9} {size:>9,}  {figures.cpu:7.3f} s CPU  {figures.wall:7.3f} s wall  "
                f"{figures.peak_mb:5.0f} MB  {figures.read_mb:7.1f} MB read",
                flush=True,
            )
        slope, last = exponent(points), exponent(points[-2:])
        print(f"{measured.__name__}: exponent {slope:.2f} over all, {last:.2f} over the last step\n", flush=True)
        series.append((measured.__name__.replace("slos", "SLOs"), points, slope, last))
    draw(series)


if __name__ == "__main__":
    main()
