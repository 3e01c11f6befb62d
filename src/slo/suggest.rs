//! Suggestions for an unknown name: the nearest known name, or a list of the known names.

const LISTED_MAX: usize = 8;

/// How many letters have to be changed to make one text of the other.
pub fn edit_distance(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}

/// The name that is nearest to a word, if at most a third of its letters differ.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 100 {
        return None;
    }
    nearest_within(&word.to_lowercase(), names, |name| (name.len().max(word.len()) / 3).max(1))
}

/// The name that is nearest to a word, if at most so many letters differ. `-` and `_` are the same letter.
pub(super) fn nearest_within<'a>(
    word: &str,
    names: impl IntoIterator<Item = &'a str>,
    max_distance: impl Fn(&str) -> usize,
) -> Option<&'a str> {
    let word = word.replace('-', "_");
    let distances = names.into_iter().map(|name| (edit_distance(&word, &name.replace('-', "_")), name));
    distances.filter(|(distance, name)| *distance <= max_distance(name)).min().map(|(_, name)| name)
}

/// The hint for an unknown name: ``did you mean `x`?``, or all names after a label such as `teams`. `None`
/// when there are no names at all.
pub fn suggestion<'a>(word: &str, label: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.into_iter().collect();
    if let Some(meant) = nearest(word, names.iter().copied()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    name_list(label, &names)
}

/// The first names after a label such as `teams`, and how many more there are. `None` when there are no names at all.
pub fn name_list(label: &str, names: &[&str]) -> Option<String> {
    let listed: Vec<String> = names.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
    let more = match names.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| format!("{label}: {}{more}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestion_names_the_nearest_or_lists_a_few() {
        let names = ["checkout", "search"];
        assert_eq!(suggestion("chekcout", "services", names).as_deref(), Some("did you mean `checkout`?"));
        assert_eq!(suggestion("zz", "services", names).as_deref(), Some("services: `checkout`, `search`"));
        assert_eq!(suggestion("x", "services", []), None);
        let many: Vec<String> = (10..21).map(|number| format!("service-{number}")).collect();
        let text = suggestion("zz", "services", many.iter().map(String::as_str)).unwrap();
        assert!(text.ends_with("`service-17` and 3 more"), "{text}");
    }
}
