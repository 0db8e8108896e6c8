//! Values files that the `secrets` plugin of Helm decrypts. What is decrypted is never written to
//! a file: Helm gets it with the other values, through stdin.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::HelmSource;

use super::error::RenderError;
use super::helm::values_of;
use super::scope::RenderScope;
use super::values;

/// The plugin may ask a key server.
const LIMIT: Duration = Duration::from_secs(60);

/// The values of `source`'s secret files, the last one wins.
pub(super) async fn values(scope: &RenderScope, source: &HelmSource) -> Result<Value, RenderError> {
    let mut tree = Value::Object(Map::new());
    for file in &source.secret_values {
        let bytes = std::fs::read(file)
            .map_err(|source| RenderError::Unreadable { path: file.clone(), source })?;
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if is_encrypted(&text) {
            text = decrypted(scope, file).await?;
        }
        values::lay(&mut tree, &values_of(file, &text)?);
    }
    Ok(tree)
}

/// Whether `text` has what sops writes into a file, or references that vals replaces.
fn is_encrypted(text: &str) -> bool {
    let is_sops = |line: &str| {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || c == '{');
        line.starts_with("sops:") || line.starts_with("\"sops\":")
    };
    text.lines().any(is_sops) || text.contains("ref+")
}

async fn decrypted(scope: &RenderScope, file: &Path) -> Result<String, RenderError> {
    let command = scope.tools.command("helm").args(["secrets", "decrypt"]).arg(file);
    match command.time_limit(LIMIT).run().await {
        Ok(output) => Ok(output.text()),
        Err(source) => Err(RenderError::Decryption { file: file.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_files_are_known_by_what_is_in_them() {
        for text in
            ["a: ENC[x]\nsops:\n  mac: y\n", "{\"a\": 1,\n \"sops\": {}}", "a: ref+vault://x"]
        {
            assert!(is_encrypted(text), "{text}");
        }
        assert!(!is_encrypted("a: b\nmysops: {}\n"));
    }
}
