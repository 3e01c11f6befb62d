//! The options of `weekly`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;

use super::notify::ChannelArgs;
use super::{ALERTS, CommonArgs, DEFINITIONS, OUTPUT, StateArgs, complete};

const EXAMPLES: &str = "\
Examples:
  slowburn weekly
  slowburn weekly --team shop --format html > shop.html
  # From cron, on Monday morning
  slowburn weekly --out /var/lib/slowburn/weekly --send";

/// Arguments of `weekly`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct WeeklyArgs {
    /// Where, and when: the report is about the last complete week before that time, from Monday in UTC.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Print the report of this team instead of the report of the fleet
    #[arg(long, value_name = "TEAM", conflicts_with = "send", help_heading = DEFINITIONS,
          add = ArgValueCandidates::new(complete::team_candidates))]
    pub team: Option<String>,
    /// The alert state.
    #[command(flatten)]
    pub state: StateArgs,
    /// Send each report to the `reports` destinations of its team
    ///
    /// The report of the fleet goes to the platform team (`alerts: { team: ... }`). SLOs at risk for two weeks or more
    /// are also sent to the `tickets` destinations of their team. The ledger records what was sent; nothing is sent
    /// twice.
    #[arg(long, help_heading = ALERTS)]
    pub send: bool,
    /// How notifications are sent.
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: WeeklyFormat,
    /// Save all reports under this folder, as `WEEK/TEAM.md`, `.json` and `.html`
    ///
    /// The newest week is also saved under `latest`. Existing reports are not changed.
    #[arg(long, value_name = "DIR", env = "SLOWBURN_WEEKLY_OUT", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
}

/// Formats of `weekly`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum WeeklyFormat {
    /// Markdown
    #[default]
    Markdown,
    /// A JSON document
    Json,
    /// The HTML version of the email, in one file
    Html,
}
