//! A command in a container, through the API server.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How a command in a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// It ended with 0.
    pub success: bool,
    /// What it wrote.
    pub stdout: String,
    /// What it wrote about it.
    pub stderr: String,
}

/// Runs `command` in a container of `pod` to its end, without input.
///
/// # Errors
///
/// The API server's, when the command could not be started.
pub async fn exec(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    command: &[String],
) -> Result<Ran, kube::Error> {
    let params = AttachParams::default().container(container).stdin(false);
    let mut process = pods.exec(pod, command, &params).await?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let status = async { status?.await };
    // Unread output would block the process.
    let (status, stdout, stderr) = tokio::join!(status, text_of(stdout), text_of(stderr));
    let success = status.and_then(|status| status.status).as_deref() == Some("Success");
    Ok(Ran { success, stdout, stderr })
}

async fn text_of(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
