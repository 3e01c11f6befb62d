"""An Athena that executes SQL in DuckDB over log files; started by `athena_server.py`."""


class QueryFault(Exception):
    """The query ends FAILED (or CANCELLED) with this reason."""
