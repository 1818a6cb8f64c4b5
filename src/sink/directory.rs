//! Export as `.eml` files.
