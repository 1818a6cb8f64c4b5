//! Makes a queue of messages of chosen types, dialects and damages from a seed.
