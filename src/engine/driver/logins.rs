//! Whether somebody has logged in at a registry since it refused.
//!
//! A wrong password is not tried again by itself, since registries lock accounts for that: it
//! waits until Docker's configuration file, which `docker login` writes, is another one.

use std::time::Duration;

use tokio::time::Instant;

use crate::docker::{Credentials, LoginsStamp};

/// Whoever logs in is not kept waiting for long.
const PAUSE: Duration = Duration::from_secs(1);

/// Docker's logins, as they were last seen.
pub(super) struct Logins {
    credentials: Credentials,
    seen: Option<LoginsStamp>,
    due: Option<Instant>,
}

impl Logins {
    /// Looks at them for the first time.
    pub(super) fn new(credentials: Credentials) -> Self {
        let seen = credentials.stamp();
        Self { credentials, seen, due: None }
    }

    /// Waits until they are others than before; for ever where nothing `waits` for that. Safe to
    /// drop at any time.
    pub(super) async fn changed(&mut self, waits: bool) {
        if !waits {
            self.due = None;
            return std::future::pending().await;
        }
        loop {
            // Other events do not put it off.
            let due = *self.due.get_or_insert_with(|| Instant::now() + PAUSE);
            tokio::time::sleep_until(due).await;
            self.due = None;
            let now = self.credentials.stamp();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tools;

    #[tokio::test(start_paused = true)]
    async fn a_login_is_noticed_once_and_only_where_something_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        let tools = Tools::new([("DOCKER_CONFIG".into(), folder.path().into())].into());
        let mut logins = Logins::new(Credentials::new(&tools));
        let wait = Duration::from_secs(60);
        let mut noticed =
            async |waits| tokio::time::timeout(wait, logins.changed(waits)).await.is_ok();
        assert!(!noticed(true).await, "there is no file");
        for text in ["{}", "{\"auths\": {}}"] {
            std::fs::write(&config, text).unwrap();
            assert!(!noticed(false).await);
            assert!(noticed(true).await, "{text}");
            assert!(!noticed(true).await, "it is the same since");
        }
        std::fs::remove_file(&config).unwrap();
        assert!(noticed(true).await, "logged out");
    }
}
