"""Checks the JSON Schemas with an independent validator: jsonschema on documents parsed by PyYAML.

usage: schemas.py FLEET_SCHEMA SERVICE_SCHEMA CORRECTION_SCHEMA FOLDER...
For each folder prints one line: its path, a tab, `valid`, `invalid` or `unreadable`.
A folder is unreadable if PyYAML cannot parse one of its files, which no schema can detect.
"""

import json
import pathlib
import sys

import yaml
from jsonschema import Draft202012Validator


def main() -> None:
    schemas = [json.loads(pathlib.Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:4]]
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    fleet, service, correction = (Draft202012Validator(schema) for schema in schemas)
    for folder in sys.argv[4:]:
        state = "valid"
        for path in sorted(pathlib.Path(folder).rglob("*.y*ml")):
            try:
                value = yaml.safe_load(path.read_bytes())
            except yaml.YAMLError:
                state = "unreadable"
                break
            validator = fleet if path.stem == "fleet" else service
            if "corrections" in path.parts:
                validator = correction
            if not validator.is_valid(value):
                state = "invalid"
        print(folder, state, sep="\t")


main()
