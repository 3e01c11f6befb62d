"""Converts Joda date patterns (`yyyy-MM-dd`) to strftime patterns."""

import re

LETTERS = [("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"), ("SSSSSS", "%f"), ("SSS", "%g")]


def strftime_of(pattern):
    found = ""
    for place, piece in enumerate(re.split(r"'((?:[^']|'')*)'", pattern)):
        if place % 2 == 0:
            for letters, code in LETTERS:
                piece = piece.replace(letters, code)
        found += piece
    return found
