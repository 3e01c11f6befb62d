"""Prints calendar periods according to Python's zoneinfo, for comparison with slowburn's.

One line each: zone, period, evaluation minute, first minute of the period, first minute of the next; times in UTC.
An evaluation covers the minutes before it, so the period is that of the newest of these.
"""

import datetime as dt
import random
import zoneinfo

ZONES = """
UTC Asia/Tokyo Europe/Berlin Europe/London America/New_York America/Sao_Paulo America/St_Johns Asia/Kolkata Asia/Kathmandu
Australia/Lord_Howe Australia/Sydney Pacific/Auckland Pacific/Chatham Pacific/Apia Pacific/Kiritimati Africa/Cairo
Africa/Casablanca Asia/Tehran Asia/Beirut America/Santiago America/Havana Atlantic/Azores Asia/Gaza Antarctica/Troll
""".split()


def first_day(period: str, day: dt.date) -> dt.date:
    match period:
        case "week":
            return day - dt.timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case _:
            return day.replace(month=1, day=1)


def next_day(period: str, first: dt.date) -> dt.date:
    match period:
        case "week":
            return first + dt.timedelta(days=7)
        case "month":
            return first_day("month", first + dt.timedelta(days=31))
        case "quarter":
            return first_day("month", first + dt.timedelta(days=95))
        case _:
            return first.replace(year=first.year + 1)


def start_of(day: dt.date, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The first minute of a local day; where midnight is skipped, the minute the clock jumps to."""
    midnight = dt.datetime.combine(day, dt.time(0), zone).astimezone(dt.UTC)
    if midnight.astimezone(zone).date() < day:
        raise AssertionError(f"{zone} {day}")
    return midnight


def minute(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%MZ")


def main() -> None:
    chance = random.Random(1)
    for name in ZONES:
        zone = zoneinfo.ZoneInfo(name)
        moments = [dt.datetime(2023, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=chance.randrange(4 * 525_600)) for _ in range(60)]
        # The minutes around the start of every month, where periods change.
        for month in range(48):
            begin = dt.datetime(2023 + month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(dt.UTC)
            moments += [begin + dt.timedelta(minutes=step) for step in (-1, 0, 1)]
        for moment in moments:
            newest = (moment - dt.timedelta(minutes=1)).astimezone(zone).date()
            for period in ("week", "month", "quarter", "year"):
                first = first_day(period, newest)
                ends = start_of(first, zone), start_of(next_day(period, first), zone)
                print(name, period, minute(moment), *map(minute, ends))


main()
