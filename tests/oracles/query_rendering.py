"""Renders the templates of `queries/` with a context from definitions, as slowburn does."""

from pathlib import Path

import jinja2
from query_filters import SQLFLUFF_JINJA_FILTERS

QUERIES = Path(__file__).parents[2] / "queries"
# Special characters of Java, RE2 and Joni (Trino) regular expressions outside a class.
SPECIAL = set(r".^$*+?()[]{}|\\")


def render(name, context):
    """Renders a template with Jinja2; undefined names are errors."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(QUERIES), undefined=jinja2.StrictUndefined)
    environment.filters.update(SQLFLUFF_JINJA_FILTERS)
    return environment.get_template(name).render(context)


def render_by_minijinja(name, context):
    """Renders with the engine that slowburn uses."""
    import minijinja

    environment = minijinja.Environment(loader=lambda name: (QUERIES / name).read_text(), undefined_behavior="strict")
    for filter_name, function in SQLFLUFF_JINJA_FILTERS.items():
        environment.add_filter(filter_name, function)
    return environment.render_template(name, **context)


def wildcard(pattern):
    """The wildcards of `accesslog/pattern.rs` as a regular expression, to be anchored by the template.

    `*` is `.*`, `?` is `.`, `{name}` is `[^/]+`; a brace that opens no name, and all else that has a meaning, is escaped.
    """
    expression, at = "", 0
    while at < len(pattern):
        end = pattern.find("}", at) if pattern[at] == "{" else -1
        if end > at + 1:
            expression, at = expression + "[^/]+", end + 1
            continue
        sign = pattern[at]
        expression += {"*": ".*", "?": "."}.get(sign, "\\" + sign if sign in SPECIAL else sign)
        at += 1
    return expression


def host(pattern):
    """Hosts are compared in lower case."""
    return wildcard("".join(chr(ord(sign) + 32) if "A" <= sign <= "Z" else sign for sign in pattern))


def rule(number, balancer, **more):
    """One measure of one kind of traffic: by default availability of all requests of a load balancer."""
    said = {
        "target_groups": [],
        "filter": {},
        "excluded": {},
        "included_responses": [],
        "measure": "availability",
        "bad": ["5.."],
        "gave_up_after_us": None,
        **more,
    }
    measure = {name: said.pop(name) for name in ("measure", "bad", "gave_up_after_us", "under_us", "errors", "timeouts") if name in said}
    for name in ("filter", "excluded"):
        said[name] = {"methods": [], "hosts": [], "paths": [], **said[name]}
    said["has_exclusion"] = any(said["excluded"].values())
    return balancer, said, {"id": number, **measure}


def latency(under_us, basis="target", errors="counted", timeouts=False, gave_up_after_us=None):
    return {"measure": basis, "bad": [], "under_us": under_us, "errors": errors, "timeouts": timeouts, "gave_up_after_us": gave_up_after_us}


def counts_context(table, first_day, last_day, begin, until, rules, balancers=()):
    """The rules by load balancer and traffic. For `balancers` only the lines are counted."""
    names = sorted({balancer for balancer, _, _ in rules} | set(balancers))
    traffics = []
    for balancer, traffic, measure in rules:
        traffic = {"balancer": 1 + names.index(balancer), **traffic}
        same = next((each for each in traffics if {**each, "measures": 0} == {**traffic, "measures": 0}), None)
        if same is None:
            same = traffic | {"measures": []}
            traffics.append(same)
        same["measures"].append(measure)
    return {
        "database": "default",
        "table": table,
        "first_day": first_day,
        "last_day": last_day,
        "from": begin,
        "until": until,
        "balancers": [{"id": 1 + place, "name": name} for place, name in enumerate(names)],
        "traffics": traffics,
    }


def table_context(table, location, accounts, regions, since="2015/01/01"):
    return {"database": "default", "table": table, "location": location, "accounts": accounts, "regions": regions, "since": since}


class Counted:
    """Rows of a count query: `events` is {measure: {minute: (total, bad)}}, `lines` {balancer: {minute: (lines, unparsed)}}."""

    def __init__(self, rows, context):
        names = {0: ""} | {balancer["id"]: balancer["name"] for balancer in context["balancers"]}
        self.events, self.lines, self.examples = {}, {}, {}
        for balancer, measure, hour, minutes, example in rows:
            name = names[int(balancer)]
            held = self.events.setdefault(int(measure), {}) if measure != "0" else self.lines.setdefault(name, {})
            if minutes.split(" ") != sorted(minutes.split(" ")):
                raise ValueError(f"not in order: {minutes}")
            for text in minutes.split(" "):
                minute, total, bad = text.split(":")
                held[f"{hour}:{minute}"] = int(total), int(bad)
            if example is not None:
                self.examples[name] = example

    def at(self, minute):
        """The measures with an event in a minute."""
        return {measure for measure, minutes in self.events.items() if minute in minutes}
