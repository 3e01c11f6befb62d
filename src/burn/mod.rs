//! The vectorised core on plain slices: prefix sums, window sums, conditions, budgets.
