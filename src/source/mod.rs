//! Where messages come from: folders and archives, and the pairing of their files.
