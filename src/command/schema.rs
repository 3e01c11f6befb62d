//! `slowburn schema`: the JSON Schema of a kind of definition file, or of a document that slowburn writes.

use super::{Ended, Failure, print};
use crate::cli::{SchemaArgs, SchemaFile};
use crate::notify;
use crate::report::data;
use crate::slo::file::{self, SchemaKind};

pub(super) fn schema(arguments: &SchemaArgs) -> Result<Ended, Failure> {
    let schema = match arguments.file {
        SchemaFile::Fleet => file::schema(SchemaKind::Fleet),
        SchemaFile::Service => file::schema(SchemaKind::Service),
        SchemaFile::Correction => file::schema(SchemaKind::Correction),
        SchemaFile::Message => notify::schema(),
        SchemaFile::Status => data::schema(),
    };
    print(format!("{schema:#}\n").as_bytes())?;
    Ok(Ended::Done)
}
