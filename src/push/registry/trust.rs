//! Whom wharf trusts: certificates of registries, and which of them are spoken to in the clear.
//!
//! As the docker command has it: what the system trusts, and for `HOST[:PORT]` the files of
//! `certs.d/HOST[:PORT]`: `*.crt` are certificate authorities, `NAME.cert` and `NAME.key` are what
//! wharf shows. <https://docs.docker.com/engine/security/certificates/>

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::{BuilderVerifierExt as _, Verifier};

use crate::docker::config_folder;
use crate::tools::Tools;

/// Where the Engine looks.
const SYSTEM: &str = "/etc/docker/certs.d";

/// Certificates and exceptions, as a person has set them.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// Hosts, with their ports, whose certificates are not checked, or that have none.
    insecure: Vec<String>,
    folders: Vec<PathBuf>,
}

impl Trust {
    /// As `tools`' environment leads to it.
    pub(super) fn new(tools: &Tools, insecure: &[String]) -> Self {
        let set = |name: &str| tools.variable(name).filter(|value| !value.is_empty());
        let settings = set("XDG_CONFIG_HOME").map(PathBuf::from);
        let settings = settings.or_else(|| set("HOME").map(|home| Path::new(home).join(".config")));
        let folders = [
            config_folder(tools).map(|folder| folder.join("certs.d")),
            settings.map(|folder| folder.join("docker/certs.d")),
            Some(PathBuf::from(SYSTEM)),
        ];
        Self { insecure: insecure.to_vec(), folders: folders.into_iter().flatten().collect() }
    }

    /// Whether `authority` may be without TLS, or have a certificate that nobody vouches for: this
    /// machine, as Docker has it, and what the configuration names.
    pub(super) fn is_lax(&self, authority: &str) -> bool {
        is_loopback(host_of(authority)) || self.is_named(authority)
    }

    fn is_named(&self, authority: &str) -> bool {
        self.insecure.iter().any(|name| name == authority || name == host_of(authority))
    }

    /// How TLS is spoken with `authority`; an error names the file that is at fault.
    pub(super) fn config(&self, authority: &str) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let files = self.files(authority);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut authorities = Vec::new();
        for path in files.iter().filter(|path| has_ending(path, "crt")) {
            let read = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| at(path, error))?;
            authorities.extend(read);
        }
        let unchecked =
            self.is_named(authority) || (is_loopback(host_of(authority)) && authorities.is_empty());
        let builder = if unchecked {
            let any = Anybody(provider.signature_verification_algorithms);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(any))
        } else if authorities.is_empty() {
            builder.with_platform_verifier().map_err(|error| error.to_string())?
        } else {
            let verifier = with_authorities(authorities, provider)?;
            builder.dangerous().with_custom_certificate_verifier(verifier)
        };
        let Some(certificate) = files.iter().find(|path| has_ending(path, "cert")) else {
            return Ok(builder.with_no_client_auth());
        };
        let key = certificate.with_extension("key");
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| at(certificate, error))?;
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(|error| at(&key, error))?;
        builder.with_client_auth_cert(chain, secret).map_err(|error| at(&key, error))
    }

    /// Where a certificate for `authority` is to be put.
    pub(super) fn place(authority: &str) -> String {
        format!("{SYSTEM}/{authority}/ca.crt")
    }

    fn files(&self, authority: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(folder.join(authority)) else { continue };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            found.extend(paths);
        }
        found
    }
}

fn with_authorities(
    authorities: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    match Verifier::new_with_extra_roots(authorities.clone(), Arc::clone(&provider)) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        // A system without any authorities of its own.
        Err(_) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(authorities);
            let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            );
            Ok(verifier.build().map_err(|error| error.to_string())?)
        }
    }
}

fn at(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

/// `authority` without its port.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
