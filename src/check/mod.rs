//! Pure rules: what UM would make of a message.
