//! Whom TLS trusts: the system's roots, and those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, pem};
use rustls::{ClientConfig, RootCertStore};

use super::SmtpError;
use crate::fsx::PathError;

/// The system's roots, and every certificate of `ca_file`.
///
/// A server's own self-signed certificate, as Exchange makes one at installation, may stand in the file.
///
/// # Errors
/// The file cannot be read or holds no certificate, or there is no root at all.
pub(super) fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, SmtpError> {
    let mut roots = RootCertStore::empty();
    // Old systems keep roots that no longer parse: those are passed over, as by every other program.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|source| SmtpError::Certificate { path: path.to_owned(), source })?;
        }
    }
    if roots.is_empty() { Err(SmtpError::NoRoots) } else { Ok(roots) }
}

/// TLS settings that trust these roots, and nobody where there are none.
///
/// # Errors
/// TLS cannot be set up.
pub(super) fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, SmtpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(SmtpError::TlsSettings)?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SmtpError> {
    let not_pem = |error: pem::Error| match error {
        pem::Error::Io(source) => SmtpError::CaFile(PathError::new("read", path, source)),
        _ => SmtpError::NoCertificate { path: path.to_owned() },
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(not_pem)?.collect();
    let certificates = certificates.map_err(not_pem)?;
    if certificates.is_empty() {
        return Err(SmtpError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsx;

    #[test]
    fn a_file_without_certificates_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        assert!(matches!(roots(Some(&missing)), Err(SmtpError::CaFile(_))));
        for (name, text) in [
            ("empty.pem", ""),
            ("text.pem", "hello"),
            ("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            ("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
        ] {
            let path = folder.path().join(name);
            fsx::write_atomically(&path, text.as_bytes()).unwrap();
            assert!(matches!(roots(Some(&path)), Err(SmtpError::NoCertificate { .. })), "{name}");
        }
        let path = folder.path().join("odd.pem");
        fsx::write_atomically(&path, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(roots(Some(&path)), Err(SmtpError::Certificate { .. })));
    }
}
