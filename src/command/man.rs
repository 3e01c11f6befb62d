//! `slowburn man`: the manual pages, one to stdout or all to a folder.

use super::{CommandError, ExitStatus, eprint_line, print};
use crate::cli::man::{self, ManArgs};
use crate::format::pluralize;

pub(super) fn man(arguments: &ManArgs) -> Result<ExitStatus, CommandError> {
    let pages =
        man::manual_pages().map_err(|error| CommandError::with_context("cannot write the manual pages", error))?;
    if let Some(folder) = &arguments.out {
        let failed = |error: std::io::Error| {
            CommandError::new(format!(
                "cannot write to `{}`: {error}\nhint: use a writable folder with `--out`",
                folder.display()
            ))
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        for page in &pages {
            std::fs::write(folder.join(&page.file), &page.text).map_err(failed)?;
        }
        eprint_line(&format!("wrote {} to `{}`", pluralize(pages.len(), "manual page"), folder.display()));
        return Ok(ExitStatus::Success);
    }
    let name = arguments.command.as_deref().unwrap_or("slowburn");
    let page = pages.iter().find(|page| page.command == name);
    let page =
        page.ok_or_else(|| CommandError::unknown("command", name, pages.iter().map(|page| page.command.as_str())))?;
    print(&page.text)?;
    Ok(ExitStatus::Success)
}
