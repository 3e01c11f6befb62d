//! Counts that any other system wrote: files of `minute,total,bad`.
