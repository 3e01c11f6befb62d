//! How likely so many bad events are by chance, which tells who stands out; other arithmetic is not about what others wrote.

#[path = "../../../src/burn/evidence.rs"]
mod evidence;

pub(crate) use evidence::chance;
