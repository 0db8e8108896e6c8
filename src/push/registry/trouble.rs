//! What a registry says no with, told apart by what wharf does next.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use crate::docker::DockerError;

use super::wire::Reply;

/// Why a request did not do what it was for.
#[derive(Debug)]
pub(in crate::push) enum Trouble {
    /// Nobody answers there.
    Unreachable(String),
    /// The connection broke, or nothing moved on it.
    Lost(String),
    /// TLS cannot be spoken, or nobody vouches for the certificate.
    Untrusted(String),
    /// It wants a login, or refuses the one it got.
    Refused(String),
    /// Its disk is full.
    NoSpace(String),
    /// It answers with something else than what was asked for.
    Said {
        /// The answer's status.
        status: StatusCode,
        /// The distribution protocol's code, such as `DIGEST_INVALID`; empty where there is none.
        code: String,
        /// In its own words.
        why: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// The login cannot be read.
    Docker(Box<DockerError>),
    /// On this side: a file, an address, a layer that never came.
    Here(String),
}

impl From<http::header::InvalidHeaderValue> for Trouble {
    fn from(error: http::header::InvalidHeaderValue) -> Self {
        Self::Here(error.to_string())
    }
}

impl From<DockerError> for Trouble {
    fn from(error: DockerError) -> Self {
        Self::Docker(Box::new(error))
    }
}

impl Trouble {
    /// What an answer that is none of the expected ones means.
    pub(super) fn of(reply: &Reply) -> Self {
        let status = reply.status;
        let (code, why) = words(reply);
        let said = why.to_ascii_lowercase();
        if status == StatusCode::INSUFFICIENT_STORAGE || said.contains("no space left") {
            return Self::NoSpace(why);
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Self::Refused(why);
        }
        let after = reply.header("retry-after").and_then(|text| text.trim().parse().ok());
        Self::Said { status, code, why, after: after.map(Duration::from_secs) }
    }

    /// Whether the same request may do better in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Said { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            Self::Untrusted(_)
            | Self::Refused(_)
            | Self::NoSpace(_)
            | Self::Docker(_)
            | Self::Here(_) => false,
        }
    }

    /// How long to wait before the `attempt`th repetition, the first being 0. `spread` is between
    /// 0 and 1, so that not everybody comes back at once.
    pub(super) fn pause(&self, attempt: u32, spread: f64) -> Duration {
        if let Self::Said { after: Some(after), .. } = self {
            return (*after).min(LONGEST_PAUSE);
        }
        let full = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
        full.mul_f64(0.5 + spread / 2.0)
    }
}

/// A registry that is being restarted is back in a second or two.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// What a person still waits for; a registry that wants longer is asked too early.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The code and the words of an answer's body, or the status where it has none.
fn words(reply: &Reply) -> (String, String) {
    if let Ok(Errors { errors }) = serde_json::from_slice::<Errors>(&reply.body)
        && let Some(error) = errors.into_iter().next()
    {
        let detail = match &error.detail {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => format!(" ({text})"),
            other => {
                // Deep inside is why the disk of a registry did not take it.
                let text = other.to_string();
                if text.contains("no space left") {
                    " (no space left on its disk)".to_owned()
                } else {
                    String::new()
                }
            }
        };
        let said = if error.message.is_empty() { error.code.clone() } else { error.message };
        return (error.code, format!("{said}{detail}"));
    }
    let text = String::from_utf8_lossy(&reply.body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
    let status = reply.status;
    (String::new(), line.map_or_else(|| status.to_string(), |line| format!("{status}: {line}")))
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: serde_json::Value,
}
