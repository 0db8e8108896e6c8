//! Containers that are run to their end: made, attached to, started, waited for, taken away.

use std::collections::VecDeque;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::connection::Connection;
use super::http::{Answer, escaped};
use super::{DockerError, Engine};

/// A line that never ends is cut here.
const LONGEST: usize = 64 * 1024;

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerForm {
    /// What it is called.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Instead of the image's entry point; none: the image's own.
    pub entrypoint: Vec<String>,
    /// Arguments; none: the image's own, unless the entry point is another.
    pub args: Vec<String>,
    /// Variables, the last one of a name counts.
    pub env: Vec<(String, String)>,
    /// The network that it is in; absent: the Engine's usual one.
    pub network: Option<String>,
}

impl ContainerForm {
    fn body(&self) -> Value {
        let env: Vec<String> =
            self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // It goes when it ends, whatever has become of wharf.
        let mut body = json!({
            "Image": self.image, "Env": env, "AttachStdout": true, "AttachStderr": true,
            "HostConfig": {"AutoRemove": true},
        });
        if !self.entrypoint.is_empty() {
            body["Entrypoint"] = json!(self.entrypoint);
        }
        if !self.args.is_empty() {
            body["Cmd"] = json!(self.args);
        }
        if let Some(network) = &self.network {
            body["HostConfig"]["NetworkMode"] = network.as_str().into();
        }
        body
    }
}

impl Engine {
    /// Makes a container and connects to its output; it does not run yet. Nothing where the Engine
    /// has no such image.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it cannot be made.
    pub async fn create(&self, form: &ContainerForm) -> Result<Option<Made>, DockerError> {
        let body = form.body();
        let path = format!("/containers/create?name={}", escaped(&form.name));
        let made = self.request(Method::POST, &path, |request| request.json(&body)).await;
        let made = match made {
            Err(DockerError::Refused { status: 404, message, .. })
                if message.to_lowercase().contains("image") =>
            {
                return Ok(None);
            }
            made => made?,
        };
        let Created { id } = made.json().await?;
        let attached = async {
            let path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
            let output = self.open_tcp(&path, "").await?;
            // It may end, and be gone, before anybody asks how it ended.
            let path = format!("/containers/{id}/wait?condition=next-exit");
            let end = self.request(Method::POST, &path, |request| request).await?;
            Ok((output, end))
        };
        match attached.await {
            Ok((output, end)) => Ok(Some(Made {
                engine: self.clone(),
                id,
                output: Frames { connection: output, lines: VecDeque::new(), rest: Vec::new() },
                end,
            })),
            Err(error) => {
                let _ = self.remove(&id).await;
                Err(error)
            }
        }
    }

    /// Takes a container away, running or not. One that is not there is no failure.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine does not do it.
    pub async fn remove(&self, id: &str) -> Result<(), DockerError> {
        let path = format!("/containers/{id}?force=1&v=1");
        match self.request(Method::DELETE, &path, |request| request).await {
            // 409: somebody else, or its own end, takes it away just now.
            Ok(_) | Err(DockerError::Refused { status: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A container that was made and does not run yet.
#[derive(Debug)]
pub struct Made {
    engine: Engine,
    id: String,
    output: Frames,
    end: Answer,
}

impl Made {
    /// Its ID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs it to its end, and hands each line that it writes to `tell`; its exit code.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it does not start or the connection breaks.
    pub async fn run(mut self, tell: impl Fn(&str)) -> Result<i64, DockerError> {
        let path = format!("/containers/{}/start", self.id);
        self.engine.request(Method::POST, &path, |request| request).await?;
        while let Some(line) = self.output.next().await {
            tell(&String::from_utf8_lossy(&line));
        }
        let Waited { status_code } = self.end.json().await?;
        Ok(status_code)
    }
}

/// What a container writes, stdout and stderr in the order of writing, line by line. Each frame
/// begins with its stream and length, as those of a command in a container do.
#[derive(Debug)]
struct Frames {
    connection: Connection,
    lines: VecDeque<Vec<u8>>,
    rest: Vec<u8>,
}

impl Frames {
    /// The next line, without its end; nothing once the container has ended.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let mut header = [0; 8];
            if self.connection.read_exact(&mut header).await.is_err() {
                let last = std::mem::take(&mut self.rest);
                return (!last.is_empty()).then_some(last);
            }
            let [.., a, b, c, d] = header;
            let mut left = u32::from_be_bytes([a, b, c, d]) as usize;
            let mut piece = vec![0; left.min(LONGEST)];
            while left > 0 {
                let room = piece.len().min(left);
                let read = self.connection.read(&mut piece[..room]).await.unwrap_or(0);
                if read == 0 {
                    break;
                }
                left -= read;
                self.take(&piece[..read]);
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' || self.rest.len() == LONGEST {
                self.lines.push_back(std::mem::take(&mut self.rest));
            }
            if *byte != b'\n' {
                self.rest.push(*byte);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Waited {
    status_code: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_gets_what_differs_from_its_image_and_nothing_else() {
        let bare = ContainerForm { name: "a".into(), image: "b".into(), ..Default::default() };
        let body = bare.body();
        assert_eq!(body.get("Entrypoint").or(body.get("Cmd")), None);
        assert_eq!(body["HostConfig"], json!({"AutoRemove": true}));
        let full = ContainerForm {
            entrypoint: vec!["sh".into(), "-c".into()],
            args: vec!["x".into()],
            env: vec![("A".into(), "b=c".into())],
            network: Some("n".into()),
            ..bare
        };
        let body = full.body();
        assert_eq!((&body["Entrypoint"], &body["Cmd"]), (&json!(["sh", "-c"]), &json!(["x"])));
        assert_eq!(body["Env"], json!(["A=b=c"]));
        assert_eq!(body["HostConfig"]["NetworkMode"], "n");
    }
}
