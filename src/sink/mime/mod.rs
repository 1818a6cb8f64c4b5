//! A delivery as the MIME message that UM itself would have sent.
