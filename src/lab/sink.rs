//! An SMTP receiver on loopback that writes .eml files and refuses, delays or drops on demand.
