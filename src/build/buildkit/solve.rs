//! The build itself: asked for, followed to its end, its failure explained.

use std::collections::HashMap;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    CacheOptions, SolveRequest, SolveResponse, StatusRequest,
};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::build::run::{Built, log_path};
use crate::build::{BuildError, BuildInputs, BuildScope, DockerInputs, NamedInputs};
use crate::config::sounds_secret;
use crate::docker::{DockerError, Tasks, random_id};
use crate::model::{ArtifactName, ImageRef};

use super::blame;
use super::hidden::Hidden;
use super::progress::{Progress, Tell};
use super::session::{self, Session};

/// How long the last messages may take to come after the build has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A status message carries the output of all steps since the last one.
const MESSAGE_LIMIT: usize = 64 << 20;

/// What every builder of a Dockerfile gets.
pub(in crate::build) struct Order<'a> {
    pub(in crate::build) scope: &'a BuildScope,
    pub(in crate::build) inputs: &'a BuildInputs,
    pub(in crate::build) docker: &'a DockerInputs,
    pub(in crate::build) image: &'a ImageRef,
    pub(in crate::build) no_cache: bool,
    pub(in crate::build) tell: Tell<'a>,
}

impl Order<'_> {
    /// The Dockerfile as a person knows it: `services/api/Dockerfile`.
    pub(in crate::build) fn shown_dockerfile(&self) -> String {
        let name = &self.docker.dockerfile_name;
        match self.inputs.shown_folder.as_str() {
            "" => name.clone(),
            folder => format!("{folder}/{name}"),
        }
    }
}

/// Builds by BuildKit. The image is in the Engine when this succeeds.
pub(in crate::build) async fn build(
    order: &Order<'_>,
    cancel: &CancellationToken,
) -> Result<Built, BuildError> {
    let tasks = Tasks::new();
    let built = cancel.run_until_cancelled(solve(order, &tasks)).await;
    // Closing the connections is what ends a build that goes on.
    tasks.close().await;
    built.unwrap_or_else(|| Err(BuildError::Cancelled { artifact: order.inputs.artifact.clone() }))
}

async fn solve(order: &Order<'_>, tasks: &Tasks) -> Result<Built, BuildError> {
    let artifact = &order.inputs.artifact;
    let engine = |source| BuildError::engine(artifact, source);
    let path = log_path(&order.scope.state_dir, artifact);
    let hidden = Hidden::default();
    let secret_args = order.docker.args.iter().filter(|(name, _)| sounds_secret(name));
    secret_args.for_each(|(_, value)| hidden.add(value));
    let mut progress = Progress::new(order.tell, &path, hidden.clone());
    let key = shared_key(&order.scope.state_dir, &order.docker.context, artifact);
    let session =
        session::open(order.scope, order.docker, &key, &hidden, tasks).await.map_err(engine)?;
    let client = control(order.scope, tasks).await.map_err(engine)?;

    let request = request(order, &session);
    let status = follow(client.clone(), request.r#ref.clone(), &mut progress);
    let solved = both(client, request, status).await;
    tracing::debug!(%artifact, sent_bytes = session.ledger.sent_bytes(), "context sent");
    if let Some(stale) = session.ledger.stale() {
        return Err(BuildError::Stale { artifact: artifact.clone(), path: stale });
    }
    if let Err(status) = solved {
        progress.write(&format!("ERROR: {}", status.message()));
        let trouble = session.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((id, why)) = trouble {
            return Err(BuildError::NoSecret { artifact: artifact.clone(), id, why });
        }
        return Err(blame::explain(order, &status, &progress, path));
    }
    let (cached, steps) = progress.counts();
    Ok(Built { cached, steps })
}

async fn control(scope: &BuildScope, tasks: &Tasks) -> Result<ControlClient<Channel>, DockerError> {
    let connection = scope.engine.open_h2c("/grpc", &[]).await?;
    let channel = tasks.client(connection).await.map_err(|source| DockerError::Broken {
        what: "POST /grpc".to_owned(),
        source: Box::new(source),
    })?;
    Ok(ControlClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT))
}

/// Waits for the build's end, and a little longer for what is still told about it.
async fn both(
    mut client: ControlClient<Channel>,
    request: SolveRequest,
    status: impl Future<Output = ()>,
) -> Result<Response<SolveResponse>, Status> {
    let mut status = std::pin::pin!(status);
    let mut solved = std::pin::pin!(client.solve(request));
    let mut told_all = false;
    let solved = std::future::poll_fn(|cx| {
        if !told_all {
            told_all = status.as_mut().poll(cx).is_ready();
        }
        solved.as_mut().poll(cx)
    })
    .await;
    if !told_all {
        let _ = tokio::time::timeout(LAST_WORDS, status).await;
    }
    solved
}

async fn follow(mut client: ControlClient<Channel>, r#ref: String, progress: &mut Progress<'_>) {
    let Ok(messages) = client.status(StatusRequest { r#ref }).await else { return };
    let mut messages = messages.into_inner();
    while let Ok(Some(message)) = messages.message().await {
        progress.take(&message);
    }
}

fn request(order: &Order<'_>, session: &Session) -> SolveRequest {
    let docker = order.docker;
    let mut attributes = HashMap::from([
        ("filename".to_owned(), docker.dockerfile_name.clone()),
        ("platform".to_owned(), docker.platform.to_string()),
        // The Engine's own image rather than the registry's: the one that was hashed.
        ("image-resolve-mode".to_owned(), "local".to_owned()),
    ]);
    if let Some(target) = &docker.target {
        attributes.insert("target".to_owned(), target.clone());
    }
    for (name, value) in &docker.args {
        attributes.insert(format!("build-arg:{name}"), value.clone());
    }
    for (name, named) in &docker.named {
        let value = match named {
            NamedInputs::Folder { .. } => format!("local:{name}"),
            NamedInputs::Image(image) => format!("docker-image://{image}"),
        };
        attributes.insert(format!("context:{name}"), value);
    }
    if order.no_cache {
        // Names no stage: all of them.
        attributes.insert("no-cache".to_owned(), String::new());
    }
    let mut entitlements = Vec::new();
    if let Some(network) = docker.network.as_deref().filter(|&network| network != "default") {
        attributes.insert("force-network-mode".to_owned(), network.to_owned());
        if network == "host" {
            entitlements.push("network.host".to_owned());
        }
    }
    if !docker.add_hosts.is_empty() {
        let hosts: Vec<String> =
            docker.add_hosts.iter().map(|host| host.replacen(':', "=", 1)).collect();
        attributes.insert("add-hosts".to_owned(), hosts.join(","));
    }
    SolveRequest {
        r#ref: random_id(),
        session: session.id.clone(),
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attributes,
        exporter_deprecated: "moby".to_owned(),
        exporter_attrs_deprecated: HashMap::from([(
            "name".to_owned(),
            order.image.without_digest().full(),
        )]),
        cache: Some(CacheOptions::default()),
        entitlements,
        ..SolveRequest::default()
    }
}

/// Names the context of `artifact` across builds: BuildKit keeps its files under it.
///
/// A random part keeps projects, users and machines that share an Engine apart.
fn shared_key(state: &Path, context: &Path, artifact: &ArtifactName) -> String {
    let path = state.join("context-key");
    let known = std::fs::read_to_string(&path).ok().filter(|key| key.len() == 32);
    let key = known.unwrap_or_else(|| {
        let key = random_id();
        // Where it cannot be kept, the next start sends the whole context again.
        let _ = crate::files::write_atomically(&path, key.as_bytes(), 0o600);
        key
    });
    let mut hasher = Sha256::new();
    for part in
        [key.as_bytes(), context.as_os_str().as_encoded_bytes(), artifact.as_str().as_bytes()]
    {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..16])
}
