//! Synthesises speech-like audio.
