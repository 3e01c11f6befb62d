//! `slowburn schema`: the JSON Schema of a kind of definition file, or of a document that slowburn writes.

use super::{CommandError, ExitStatus, print};
use crate::cli::{SchemaArgs, SchemaFile};
use crate::notify;
use crate::report::export;
use crate::slo::yaml::{self, SchemaKind};

pub(super) fn schema(arguments: &SchemaArgs) -> Result<ExitStatus, CommandError> {
    let schema = match arguments.file {
        SchemaFile::Fleet => yaml::schema(SchemaKind::Fleet),
        SchemaFile::Service => yaml::schema(SchemaKind::Service),
        SchemaFile::Correction => yaml::schema(SchemaKind::Correction),
        SchemaFile::Message => notify::schema(),
        SchemaFile::Status => export::schema(),
    };
    print(format!("{schema:#}\n").as_bytes())?;
    Ok(ExitStatus::Success)
}
