//! Submission over SMTP.
