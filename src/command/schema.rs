//! `slowburn schema`: the JSON Schema of a kind of definition file, or of a document that slowburn writes.

use clap::{Args, ValueEnum};

use super::output::print;
use super::{CommandError, ExitStatus};
use crate::notify;
use crate::report::export;
use crate::slo::yaml::{self, SchemaKind};

const EXAMPLES: &str = "\
Examples:
  slowburn schema service > service.schema.json
  slowburn schema fleet > fleet.schema.json";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// The kind of file or document
    #[arg(value_enum)]
    pub file: SchemaFile,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaFile {
    /// `fleet.yaml`
    Fleet,
    /// `TEAM/SERVICE.yaml`
    Service,
    /// `corrections/NAME.yaml`
    Correction,
    /// The body of a webhook notification
    Message,
    /// The output of `slowburn status --format json`
    Status,
}

pub fn schema(arguments: &SchemaArgs) -> Result<ExitStatus, CommandError> {
    let schema = match arguments.file {
        SchemaFile::Fleet => yaml::schema(SchemaKind::Fleet),
        SchemaFile::Service => yaml::schema(SchemaKind::Service),
        SchemaFile::Correction => yaml::schema(SchemaKind::Correction),
        SchemaFile::Message => notify::schema(),
        SchemaFile::Status => export::schema(),
    };
    print(format!("{schema:#}\n"))?;
    Ok(ExitStatus::Success)
}
