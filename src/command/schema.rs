//! `slowburn schema`: the JSON Schema of a kind of definition file.

use super::{Ended, Failure, print};
use crate::cli::{SchemaArgs, SchemaFile};
use crate::slo::file::{self, SchemaKind};

pub(super) fn schema(arguments: &SchemaArgs) -> Result<Ended, Failure> {
    let schema = match arguments.file {
        SchemaFile::Fleet => file::schema(SchemaKind::Fleet),
        SchemaFile::Service => file::schema(SchemaKind::Service),
        SchemaFile::Correction => file::schema(SchemaKind::Correction),
    };
    print(format!("{schema:#}\n").as_bytes())?;
    Ok(Ended::Done)
}
