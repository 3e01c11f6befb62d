//! One file per subcommand; adds no logic.
