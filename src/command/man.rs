//! `slowburn man`: the manual pages, one to stdout or all to a folder.

use super::{Ended, Failure, print, say};
use crate::cli::man::{self, ManArgs};
use crate::report::counted;

pub(super) fn man(arguments: &ManArgs) -> Result<Ended, Failure> {
    let pages = man::pages().map_err(|error| Failure::because("cannot write the manual pages", error))?;
    if let Some(folder) = &arguments.out {
        let failed = |error: std::io::Error| {
            Failure::new(format!(
                "cannot write to `{}`: {error}\nhint: use a writable folder with `--out`",
                folder.display()
            ))
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        for page in &pages {
            std::fs::write(folder.join(&page.file), &page.text).map_err(failed)?;
        }
        say(&format!("wrote {} to `{}`", counted(pages.len(), "manual page"), folder.display()));
        return Ok(Ended::Done);
    }
    let name = arguments.command.as_deref().unwrap_or("slowburn");
    let page = pages.iter().find(|page| page.command == name);
    let page = page.ok_or_else(|| Failure::unknown("command", name, pages.iter().map(|page| page.command.as_str())))?;
    print(&page.text)?;
    Ok(Ended::Done)
}
