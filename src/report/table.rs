//! Tables as text: aligned columns for a terminal, comma-separated values, and sections of Markdown.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

pub(crate) type Column<T> = (&'static str, fn(&T) -> String);

/// Columns without lines between them, each as wide as it needs.
pub(super) fn text_table<H: ToString, I: IntoIterator<Item = String>>(
    header: impl IntoIterator<Item = H>,
    rows: impl IntoIterator<Item = I>,
    right_aligned: &[usize],
) -> String {
    let mut table = Table::new();
    let header = header.into_iter().map(Cell::new);
    table.load_style(presets::NOTHING).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    table.add_rows(rows.into_iter().map(|cells| cells.into_iter().map(Cell::new)));
    for index in right_aligned {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Comma-separated values. Fails only if a row has another number of values than the header.
pub(super) fn csv<H: AsRef<[u8]>, R: IntoIterator<Item = String>>(
    header: impl IntoIterator<Item = H>,
    rows: impl IntoIterator<Item = R>,
) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    rows.into_iter().try_for_each(|row| writer.write_record(row))?;
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn columns_csv<T>(columns: &[Column<T>], rows: &[T]) -> Result<String, csv::Error> {
    let header = columns.iter().map(|(name, _)| name);
    csv(header, rows.iter().map(|row| columns.iter().map(move |(_, value)| value(row))))
}

/// An empty text where nothing is known.
pub(super) fn optional_text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A section of a Markdown document with a list; empty if there are no items.
pub(super) fn markdown_list(title: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("- {item}\n")).collect();
    markdown_section(title, items.concat())
}

pub(super) fn markdown_section(title: &str, content: String) -> String {
    if content.is_empty() { content } else { format!("\n## {title}\n\n{content}") }
}
