"""One metric per minute: sum, count, minimum, maximum, and the single values where known."""

import numpy as np

MINUTES_PER_DAY = 1440
SUM, COUNT, LEAST, GREATEST = range(4)


def blank(minutes):
    """A grid of minutes without data."""
    grid = np.zeros((4, minutes))
    grid[LEAST] = np.inf
    grid[GREATEST] = -np.inf
    return grid


class Series:
    def __init__(self):
        self.start = None  # minute since 1970 of the grid's first column
        self.grid = blank(0)
        self.values = {}  # minute -> [(value, count)]; None where only a StatisticSet came

    @classmethod
    def of_sums(cls, start, sums):
        """A series of one sample a minute, from an array."""
        series = cls()
        series.start = start
        seen = sums > 0
        series.grid = np.stack([sums, sums, np.where(seen, 1.0, np.inf), np.where(seen, 1.0, -np.inf)])
        return series

    @property
    def end(self):
        return (self.start or 0) + self.grid.shape[1]

    def add(self, minute, pairs, statistics=None):
        """Adds samples `[(value, count)]`, or a StatisticSet whose single samples are unknown."""
        self._make_room(minute)
        if statistics:
            total, count = statistics["Sum"], statistics["SampleCount"]
            least, greatest = statistics["Minimum"], statistics["Maximum"]
        else:
            total, count = sum(value * times for value, times in pairs), sum(times for _, times in pairs)
            least, greatest = min(value for value, _ in pairs), max(value for value, _ in pairs)
        cell = self.grid[:, minute - self.start]
        cell[SUM] += total
        cell[COUNT] += count
        cell[LEAST] = min(cell[LEAST], least)
        cell[GREATEST] = max(cell[GREATEST], greatest)
        # "If you publish a StatisticSet you cannot retrieve percentiles", unless its samples are all equal.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
        if statistics and count != 1 and least != greatest:
            self.values[minute] = None
        elif self.values.get(minute, ()) is not None:
            self.values.setdefault(minute, []).extend([(least, count)] if statistics else pairs)

    def _make_room(self, minute):
        if self.start is None:
            self.start, self.grid = minute, blank(MINUTES_PER_DAY)
        elif minute < self.start:
            more = -(-(self.start - minute) // MINUTES_PER_DAY) * MINUTES_PER_DAY
            self.grid = np.concatenate([blank(more), self.grid], axis=1)
            self.start -= more
        elif minute >= self.end:
            more = ((minute - self.end) // MINUTES_PER_DAY + 1) * MINUTES_PER_DAY
            self.grid = np.concatenate([self.grid, blank(more)], axis=1)

    def periods(self, first, last, width):
        """Grids of `width` minutes each between two minutes, aligned to `first`: their start minutes and 4 x n x width cells."""
        low, high = max(first, self.start), min(last, self.end)
        if low >= high:
            return np.zeros(0), blank(0).reshape(4, 0, width)
        low -= (low - first) % width
        number = -(-(high - low) // width)
        cells = blank(number * width)
        seen = max(low, self.start)
        cells[:, seen - low : high - low] = self.grid[:, seen - self.start : high - self.start]
        return low + np.arange(number) * width, cells.reshape(4, number, width)

    def samples(self, first, last):
        """All single values of the minutes, or `None` if some are unknown."""
        found = []
        for minute in range(max(first, self.start), min(last, self.end)):
            if self.grid[COUNT, minute - self.start] > 0:
                values = self.values.get(minute)
                if values is None:
                    return None
                found.extend(values)
        return found
