//! What can be typed of `weekly`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Place;
use super::notify::ChannelArgs;

/// Arguments of `weekly`.
#[derive(Args, Clone, Debug)]
pub struct WeeklyArgs {
    /// Where, and when: it is about the last whole week, from Monday on in UTC, before the moment.
    #[command(flatten)]
    pub place: Place,
    /// Print the report of this team; without it, that of the fleet
    #[arg(long, value_name = "TEAM", conflicts_with = "send")]
    pub team: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: WeeklyFormat,
    /// Keep all reports below this directory, as `2026-W47/TEAM.md`, `.json` and `.html`, and again below `latest`. One that is there
    /// is never changed
    #[arg(long, value_name = "DIR", env = "SLOWBURN_REPORTS")]
    pub out: Option<PathBuf>,
    /// Send each team its own report to `reports` of the team, and that of the fleet to those of `alerts: { team: ... }`; what has been
    /// at risk for two weeks or more to `tickets` of the team too. What was sent is remembered in the ledger, and not sent again
    #[arg(long)]
    pub send: bool,
    /// How people are told.
    #[command(flatten)]
    pub channels: ChannelArgs,
}

/// Formats of `weekly`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum WeeklyFormat {
    /// For people
    #[default]
    Markdown,
    /// For programs
    Json,
    /// As the mail looks, in a file that needs no other
    Html,
}
