//! Messages and results as JSON and CSV.
