//! A token server, as registries send their clients to one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::tools;

/// The identity token that it knows.
pub(crate) const IDENTITY: &str = "who-i-am-and-nobody-else";

/// The password that it knows.
pub(crate) const WORD: &str = "what-only-wharf-may-know";

/// Gives out tokens for `wharf` with [`WORD`], and for [`IDENTITY`].
pub(crate) struct TokenServer {
    pub(crate) address: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    /// With `ca.key` and `ca.crt`, by which the registry knows its tokens.
    folder: PathBuf,
    /// What it says a token is good for, in seconds.
    life: AtomicU64,
    /// How many tokens are not good for writing.
    stingy: AtomicUsize,
    scopes: Mutex<Vec<String>>,
}

impl TokenServer {
    pub(crate) async fn new(folder: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            life: AtomicU64::new(300),
            stingy: AtomicUsize::new(0),
            scopes: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut links = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&serving);
                links.spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { address, shared, _tasks: tasks }
    }

    /// How many tokens were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.shared.scopes.lock().unwrap().len()
    }

    pub(crate) fn scopes(&self) -> Vec<String> {
        self.shared.scopes.lock().unwrap().clone()
    }

    pub(crate) fn set_life(&self, seconds: u64) {
        self.shared.life.store(seconds, Ordering::Relaxed);
    }

    /// The next tokens are good for reading alone.
    pub(crate) fn be_stingy(&self, tokens: usize) {
        self.shared.stingy.store(tokens, Ordering::Relaxed);
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut asked = Vec::new();
    let (head, body) = loop {
        let mut buffer = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
        asked.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&asked).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header(head, "content-length").and_then(|length| length.parse().ok());
        if body.len() >= length.unwrap_or(0usize) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let (status, answer) = answer(&head, &body, shared).await;
    let answer = answer.to_string();
    let said = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{answer}",
        answer.len()
    );
    let _ = stream.write_all(said.as_bytes()).await;
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

async fn answer(head: &str, body: &str, shared: &Shared) -> (&'static str, Value) {
    let target = head.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let posted = head.starts_with("POST ");
    let fields = fields(if posted { body } else { query });
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    shared.scopes.lock().unwrap().push(field("scope").to_owned());
    let known = if posted {
        field("grant_type") == "refresh_token" && field("refresh_token") == IDENTITY
    } else {
        let password = format!("Basic {}", STANDARD.encode(format!("wharf:{WORD}")));
        match header(head, "authorization") {
            Some(shown) if shown == password => field("account") == "wharf",
            Some(_) => return ("401 Unauthorized", json!({"details": "incorrect password"})),
            // Nobody in particular may do nothing in particular.
            None => false,
        }
    };
    if posted && !known {
        return ("400 Bad Request", json!({"error": "invalid_grant"}));
    }
    assert_eq!(field("service"), "registry of the tests");
    let take = |left: usize| left.checked_sub(1);
    let stingy = field("scope").contains("push")
        && shared.stingy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
    let access: Vec<Value> = field("scope")
        .split(' ')
        .filter(|_| known)
        .filter_map(|scope| {
            let (sort, rest) = scope.split_once(':')?;
            let (name, actions) = rest.rsplit_once(':')?;
            let actions: Vec<&str> =
                actions.split(',').filter(|&action| !stingy || action == "pull").collect();
            Some(json!({"type": sort, "name": name, "actions": actions}))
        })
        .collect();
    let token = signed(&access, &shared.folder).await;
    let life = shared.life.load(Ordering::Relaxed);
    let name = if posted { "access_token" } else { "token" };
    ("200 OK", json!({name: token, "expires_in": life}))
}

fn fields(text: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                byte => byte,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value))).collect()
}

/// A token as the registry checks it: signed by the authority that it trusts.
async fn signed(access: &[Value], folder: &Path) -> String {
    let pem = std::fs::read_to_string(folder.join("ca.crt")).unwrap();
    let certificate: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let head = json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let claims = json!({
        "iss": "tests", "sub": "wharf", "aud": "registry of the tests", "jti": now.to_string(),
        "iat": now, "nbf": now - 10, "exp": now + 300, "access": access,
    });
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(head.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let key = folder.join("ca.key");
    let sign = ["dgst", "-sha256", "-sign", key.to_str().unwrap()];
    let signed = tools().command("openssl").args(sign).stdin(text.as_bytes()).run().await.unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signed.stdout))
}
