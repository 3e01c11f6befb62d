//! Doors to where the ledger is kept.
