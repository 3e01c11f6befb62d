"""RegexSerDe: the groups of a line in the order of columns; a line that does not match as a whole is a row of NULLs, silently.

A group that takes no part in a match is NULL too. Lines go through Python's `re`, of which a regex must use only what Java's
has as well.
"""

import csv
import gzip
import hashlib
import re

NULL = "\\N"
READ_OPTIONS = "auto_detect=false, header=false, delim=',', quote='\"', escape='\"', nullstr='\\N', max_line_size=4194304"


def as_csv(path, regex, cache):
    """The file's rows as CSV, created once per file and regex."""
    known = hashlib.sha256(f"{path} {path.stat().st_mtime_ns} {regex}".encode()).hexdigest()
    target = cache / f"{known}.csv"
    if target.exists():
        return target
    part = target.with_suffix(".part")
    pattern = re.compile(regex)
    unmatched = [NULL] * pattern.groups
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline=None) as lines, open(part, "w", newline="") as rows:
        writer = csv.writer(rows, quoting=csv.QUOTE_MINIMAL)
        for line in lines:
            found = pattern.fullmatch(line.removesuffix("\n"))
            writer.writerow([NULL if group is None else group for group in found.groups()] if found else unmatched)
    part.replace(target)
    return target
