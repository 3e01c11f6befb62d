//! What is still to be asked.
