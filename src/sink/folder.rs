//! Injection into a UM voicemail folder.
