//! The YAML twin: exactly what may be typed.
