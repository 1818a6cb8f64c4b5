//! Which messages a command is to work on.
