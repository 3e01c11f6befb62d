//! The program: reads the clock once and turns the outcome into an exit code.

fn main() {}
