//! The templates in `queries/`, and the filters that escape or reject the values in them.

use std::borrow::Cow;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};

use crate::hinted_error::HintedError;
use crate::text::escape_non_printing;
use crate::time::{Day, Minute, Span};

/// The built-in templates, by the names they import each other by.
const TEMPLATES: [(&str, &str); 5] = [
    ("counting.jinja", include_str!("../../../queries/counting.jinja")),
    ("alb_counts.sql", include_str!("../../../queries/alb_counts.sql")),
    ("classic_counts.sql", include_str!("../../../queries/classic_counts.sql")),
    ("alb_table.sql", include_str!("../../../queries/alb_table.sql")),
    ("classic_table.sql", include_str!("../../../queries/classic_table.sql")),
];

/// An undefined variable is an error, and so is a value that a filter rejects.
pub(super) struct Templates(Environment<'static>);

impl Templates {
    pub(super) fn built_in() -> Result<Self, HintedError> {
        let mut environment = new_environment();
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).map_err(|error| template_error(name, &error))?;
        }
        Ok(Self(environment))
    }

    pub(super) fn render(&self, name: &str, context: Value) -> Result<String, HintedError> {
        let template = self.0.get_template(name).map_err(|error| template_error(name, &error))?;
        template.render(context).map_err(|error| template_error(name, &error))
    }
}

/// Renders a team's own query, which cannot include other templates.
pub(super) fn render_custom(name: &str, text: &str, context: Value) -> Result<String, HintedError> {
    new_environment().render_named_str(name, text, context).map_err(|error| template_error(name, &error))
}

/// The template variables for minutes of log lines in the day folders of the span that is fetched.
pub(super) fn span_variables(minutes: Span, fetched: Span) -> Value {
    // Lines have their time with more digits: a minute is its first 16 characters.
    let text = |minute: Minute| minute.to_string().trim_end_matches('Z').to_owned();
    let (first_day, last_day) = day_folder_range(fetched);
    context! {
        from => text(minutes.start),
        until => text(minutes.end),
        first_day => day_folder(first_day),
        last_day => day_folder(last_day),
    }
}

/// The day folders that a query reads. A log is stored under the day of its delivery, which is the next day for
/// requests shortly before midnight
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
pub(super) fn day_folder_range(span: Span) -> (Day, Day) {
    (span.start.day(), span.end.plus(-1).day().plus(1))
}

/// The name of a day's folder: `2026/10/31`.
pub(super) fn day_folder(day: Day) -> String {
    day.to_string().replace('-', "/")
}

fn new_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("literal", |text: Cow<'_, str>| sql_literal(&text));
    environment
        .add_filter("identifier", |text: Cow<'_, str>| restricted(&text, 255, "_-", "characters not allowed in names"));
    environment.add_filter("plain", |text: Cow<'_, str>| {
        restricted(&text, 2_048, "_./:,@=+~-", "characters not allowed in DDL")
    });
    environment
}

/// A string literal of Trino, where a backslash escapes nothing: `it's` becomes `'it''s'`.
fn sql_literal(text: &str) -> Result<String, Error> {
    if text.contains(|sign: char| sign.is_ascii_control()) {
        return Err(invalid_value(text, "a control character"));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// A text of letters, digits and a few other characters, for templates that put it in quotes themselves.
fn restricted(text: &str, length_max: usize, extra_characters: &str, problem: &str) -> Result<String, Error> {
    let is_allowed = |sign: char| sign.is_ascii_alphanumeric() || extra_characters.contains(sign);
    if text.is_empty() || text.len() > length_max || !text.chars().all(is_allowed) {
        return Err(invalid_value(text, problem));
    }
    Ok(text.to_owned())
}

fn invalid_value(text: &str, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("`{}` has {problem}", escape_non_printing(text)))
}

fn template_error(name: &str, error: &Error) -> HintedError {
    let line = error.line().map_or_else(String::new, |line| format!(", line {line}"));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let name = escape_non_printing(error.name().unwrap_or(name));
    HintedError::new(
        format!("cannot render query `{name}`{line}: {}", escape_non_printing(&detail)),
        "fix this value or line in the file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_by_filters_or_rejected() {
        let rendered = |text: &str, value: &str| {
            render_custom("t.sql", text, context! { value }).map_err(|fault| fault.to_string())
        };
        assert_eq!(rendered("{{ value | literal }}", "a'; DROP TABLE x --\\\"").unwrap(), "'a''; DROP TABLE x --\\\"'");
        assert!(rendered("{{ value | literal }}", "a\nb").unwrap_err().contains("`a\\nb` has a control character"));
        assert_eq!(rendered("`{{ value | identifier }}`", "elb_logs").unwrap(), "`elb_logs`");
        for hostile in ["a`b", "a\"b", "", "a b", "ä"] {
            assert!(rendered("`{{ value | identifier }}`", hostile).is_err(), "{hostile}");
            assert!(rendered("'{{ value | plain }}'", hostile).is_err(), "{hostile}");
        }
        assert_eq!(rendered("'{{ value | plain }}'", "s3://b/a=1").unwrap(), "'s3://b/a=1'");
        assert!(rendered("{{ values }}", "").unwrap_err().contains("line 1"));
        assert!(rendered("{% include 'counting.jinja' %}", "").is_err());
    }
}
