"""Basic metric math: `+ - * /`, comparisons, FILL and IF over the metrics of a call. Anything else is rejected."""

import re

import numpy as np

from fake_server import Refusal

FUNCTIONS = {
    "FILL": lambda values, fallback: np.where(np.isnan(values), fallback, values),
    "IF": lambda condition, yes, no: np.where(condition, yes, no),
}


def evaluate(expression, metrics, moments):
    """`metrics` maps ids to (times, values). Returns the times at which the expression has a value."""
    text = expression.replace("&&", "&").replace("||", "|")
    if not re.fullmatch(r"[\w\s+\-*/().,<>=!&|]*", text):
        raise Refusal("ValidationError", f"Error in expression: {expression}")
    for word in re.findall(r"[A-Za-z_]\w*", text):
        if word not in metrics and word not in FUNCTIONS:
            raise Refusal("ValidationError", f"Error in expression '{expression}' [{word} is not known to this fake]")
    columns = {}
    for name, (times, values) in metrics.items():
        at = dict(zip(times, values, strict=True))
        columns[name] = np.array([at.get(moment, np.nan) for moment in moments])
    with np.errstate(all="ignore"):
        # The check above admits only names, numbers and operators.
        found = eval(text, {"__builtins__": {}}, columns | FUNCTIONS)
    found = np.broadcast_to(np.asarray(found, float), (len(moments),))
    seen = np.isfinite(found)
    return np.array(moments)[seen], found[seen]
