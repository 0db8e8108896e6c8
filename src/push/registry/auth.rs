//! How wharf shows a registry who asks: a password, or a token for the repository at hand.
//!
//! Nothing secret is written down, logged or given to a program; it is asked for when a registry
//! wants it, and forgotten when the registry no longer takes it.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/> and `oauth/`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;

use crate::docker::{Credentials, Login, escaped};

use super::trouble::Trouble;
use super::wire::{Ask, Origin, Wire};

/// What a token without a time is good for, as the specification has it.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// A token is not used to its last moment: the request takes a while.
const OF_ITS_LIFE: f64 = 0.8;

/// What one registry wants to see, and what it was shown.
pub(super) struct Auth {
    credentials: Credentials,
    host: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    way: Way,
    /// By their scopes.
    tokens: BTreeMap<String, Token>,
    password: Option<HeaderValue>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing was asked for.
    #[default]
    Open,
    /// The password with each request.
    Basic,
    /// A token of another server.
    Bearer { realm: String, service: Option<String> },
}

struct Token {
    header: HeaderValue,
    until: Instant,
}

impl Auth {
    pub(super) fn new(credentials: &Credentials, host: &str) -> Self {
        let (credentials, host) = (credentials.clone(), host.to_owned());
        Self { credentials, host, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to show for `scope`.
    pub(super) async fn header(
        &self,
        wire: &Wire,
        scope: &str,
    ) -> Result<Option<HeaderValue>, Trouble> {
        let way = {
            let state = self.state();
            let known = match &state.way {
                Way::Open => return Ok(None),
                Way::Basic => state.password.clone(),
                Way::Bearer { .. } => {
                    let token = state.tokens.get(scope);
                    token.filter(|t| t.until > Instant::now()).map(|t| t.header.clone())
                }
            };
            if known.is_some() {
                return Ok(known);
            }
            state.way.clone()
        };
        // No lock is held meanwhile; two that ask at once both get an answer.
        let login = self.credentials.login(&self.host).await?;
        match way {
            Way::Open => Ok(None),
            Way::Basic => {
                let Some(Login::Password { name, password }) = &login else {
                    return Err(Trouble::Refused("it wants a user and a password".to_owned()));
                };
                let header = basic(name, password)?;
                self.state().password = Some(header.clone());
                Ok(Some(header))
            }
            Way::Bearer { realm, service } => {
                let token = token(wire, &realm, service.as_deref(), scope, login.as_ref()).await?;
                let header = token.header.clone();
                self.state().tokens.insert(scope.to_owned(), token);
                Ok(Some(header))
            }
        }
    }

    /// Takes a refusal into account: whether something else can be shown than `shown`.
    pub(super) fn refused(
        &self,
        headers: &HeaderMap,
        scope: &str,
        shown: Option<&HeaderValue>,
    ) -> bool {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        let ways = challenges.filter_map(|text| way(text.to_str().ok()?)).collect::<Vec<_>>();
        let bearer = ways.iter().find(|way| matches!(way, Way::Bearer { .. }));
        let Some(way) = bearer.or_else(|| ways.first()) else { return false };
        let mut state = self.state();
        let is_new = state.way != *way;
        state.way = way.clone();
        state.password = None;
        state.tokens.remove(scope);
        // A token may have ended early; a password that was refused stays refused.
        is_new || shown.is_none() || matches!(way, Way::Bearer { .. })
    }
}

fn basic(name: &str, password: &str) -> Result<HeaderValue, Trouble> {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    secret(&format!("Basic {text}"))
}

/// A header that no debug output shows.
fn secret(text: &str) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Trouble::Here("the login has characters that no header bears".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads `WWW-Authenticate`.
pub(super) fn way(challenge: &str) -> Option<Way> {
    let (scheme, rest) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Way::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut values = BTreeMap::new();
    let mut rest = rest.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ']).to_ascii_lowercase();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        values.insert(name, value.to_owned());
        rest = after;
    }
    Some(Way::Bearer { realm: values.remove("realm")?, service: values.remove("service") })
}

/// Asks the token server at `realm`.
async fn token(
    wire: &Wire,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    login: Option<&Login>,
) -> Result<Token, Trouble> {
    let url: Uri = realm
        .parse()
        .map_err(|error| Trouble::Here(format!("its token server is at `{realm}`: {error}")))?;
    let Some(origin) = Origin::of(&url) else {
        return Err(Trouble::Here(format!("its token server is at `{realm}`, no address")));
    };
    if !origin.is_tls && login.is_some() && !wire.trust.is_lax(&origin.authority) {
        let why = format!("its token server {realm} has no TLS, so no login is sent there");
        return Err(Trouble::Refused(why));
    }
    let mut fields = vec![("scope", scope)];
    fields.extend(service.map(|service| ("service", service)));
    let ask = match login {
        Some(Login::Token(identity)) => {
            fields.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "wharf"),
                ("refresh_token", identity.as_str()),
            ]);
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            Ask::new(Method::POST, url).header(CONTENT_TYPE, form).body(Bytes::from(pairs(&fields)))
        }
        other => {
            if let Some(Login::Password { name, .. }) = other {
                fields.push(("account", name));
            }
            let path = url.path_and_query().map_or("/", |path| path.as_str());
            let joined = if path.contains('?') { '&' } else { '?' };
            let ask =
                Ask::new(Method::GET, origin.url(&format!("{path}{joined}{}", pairs(&fields)))?);
            match other {
                Some(Login::Password { name, password }) => {
                    ask.header(AUTHORIZATION, basic(name, password)?)
                }
                _ => ask,
            }
        }
    };
    let reply = wire.send(&ask).await?;
    match reply.status {
        StatusCode::OK => {}
        // What token servers say of an identity token that they do not know.
        StatusCode::BAD_REQUEST => return Err(Trouble::Refused(said(&reply.body))),
        _ => return Err(Trouble::of(&reply)),
    }
    let answer: Granted = serde_json::from_slice(&reply.body)
        .map_err(|error| Trouble::Here(format!("its token server's answer: {error}")))?;
    let text = answer.token.or(answer.access_token).unwrap_or_default();
    let life = answer.expires_in.map_or(TOKEN_LIFE, Duration::from_secs);
    let until = Instant::now() + life.mul_f64(OF_ITS_LIFE);
    Ok(Token { header: secret(&format!("Bearer {text}"))?, until })
}

fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        #[serde(default)]
        error: String,
        #[serde(default)]
        error_description: String,
    }
    match serde_json::from_slice::<Said>(body) {
        Ok(said) if !said.error_description.is_empty() => said.error_description,
        Ok(said) if !said.error.is_empty() => said.error,
        _ => "its token server refuses the login".to_owned(),
    }
}

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// `name=value` pairs as an address or a form bears them.
fn pairs(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}
