//! Pure changes to a header: (message, changes) to header, with a before and after.
