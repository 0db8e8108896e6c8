//! Serves what is not a file: health, logins at registries, secrets, ssh agents.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::Health;
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{
    BytesMessage, CheckAgentRequest, CheckAgentResponse,
};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::docker::{Credentials, Login, Spawner};
use crate::model::{BuildSecret, SecretSource};
use crate::tools::Tools;

use super::hidden::Hidden;

/// BuildKit takes no larger secret.
const SECRET_LIMIT: u64 = 500 * 1024;

/// Answers that the session is alive; without it newer BuildKits end the build.
pub(super) struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse { statuses: HashMap::new() }))
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only Check is served"))
    }
}

/// Gives BuildKit the user's logins for base images.
pub(super) struct Logins(pub(super) Credentials);

#[tonic::async_trait]
impl Auth for Logins {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let host = if host == "registry-1.docker.io" { "docker.io" } else { &host };
        let login = self.0.login(host).await.map_err(|error| {
            tracing::debug!(host, error = %error.failure().what, "no login for a base image");
            Status::unavailable(error.to_string())
        })?;
        Ok(Response::new(match login {
            Some(Login::Password { name, password }) => {
                CredentialsResponse { username: name, secret: password }
            }
            Some(Login::Token(token)) => {
                CredentialsResponse { username: String::new(), secret: token }
            }
            None => CredentialsResponse::default(),
        }))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("the Engine fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unavailable("the Engine fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unavailable("the Engine fetches tokens itself"))
    }
}

/// Which secret could not be given, and why.
pub(super) type SecretTrouble = Arc<Mutex<Option<(String, String)>>>;

/// Gives BuildKit secrets, read when it asks.
pub(super) struct Given {
    pub(super) secrets: Vec<BuildSecret>,
    pub(super) tools: Tools,
    pub(super) trouble: SecretTrouble,
    /// What was given is not shown.
    pub(super) hidden: Hidden,
}

impl Given {
    async fn read(&self, secret: &BuildSecret) -> Result<Vec<u8>, String> {
        let data = match &secret.source {
            SecretSource::Env(name) => match self.tools.variable(name) {
                Some(value) => value.as_encoded_bytes().to_vec(),
                None => return Err(format!("the environment has no variable {name}")),
            },
            SecretSource::File(path) => {
                let read = async {
                    let file = tokio::fs::File::open(path).await?;
                    let mut data = Vec::new();
                    file.take(SECRET_LIMIT + 1).read_to_end(&mut data).await?;
                    Ok::<_, std::io::Error>(data)
                };
                read.await.map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        if data.len() as u64 > SECRET_LIMIT {
            return Err(format!("it is larger than {} KiB", SECRET_LIMIT / 1024));
        }
        Ok(data)
    }
}

#[tonic::async_trait]
impl Secrets for Given {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        let Some(secret) = self.secrets.iter().find(|secret| secret.id == id) else {
            return Err(Status::not_found(format!("secret {id} not found")));
        };
        match self.read(secret).await {
            Ok(data) => {
                self.hidden.add(&String::from_utf8_lossy(&data));
                Ok(Response::new(GetSecretResponse { data }))
            }
            Err(why) => {
                let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                *trouble = Some((id.clone(), why.clone()));
                Err(Status::unavailable(format!("secret {id} cannot be read: {why}")))
            }
        }
    }
}

/// Leads to ssh agents.
pub(super) struct Agents {
    /// Sockets by the ids that Dockerfiles use.
    pub(super) sockets: BTreeMap<String, PathBuf>,
    pub(super) spawner: Spawner,
}

impl Agents {
    fn socket(&self, id: &str) -> Result<&PathBuf, Status> {
        let id = if id.is_empty() { "default" } else { id };
        let missing = || Status::not_found(format!("no ssh agent is given for `{id}`"));
        self.sockets.get(id).ok_or_else(missing)
    }
}

#[tonic::async_trait]
impl Ssh for Agents {
    type ForwardAgentStream = ReceiverStream<Result<BytesMessage, Status>>;

    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.socket(&request.into_inner().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get("buildkit.ssh.id").and_then(|id| id.to_str().ok());
        let path = self.socket(id.unwrap_or_default())?;
        let agent = UnixStream::connect(path)
            .await
            .map_err(|error| Status::unavailable(format!("{}: {error}", path.display())))?;
        let mut incoming = request.into_inner();
        let (mut from_agent, mut to_agent) = agent.into_split();
        // A few messages of an agent's dialogue; when it is full, the agent waits.
        let (answer_tx, answer_rx) = mpsc::channel(16);
        self.spawner.spawn(async move {
            let forth = async {
                while let Some(Ok(message)) = incoming.next().await {
                    if to_agent.write_all(&message.data).await.is_err() {
                        return;
                    }
                }
                let _ = to_agent.shutdown().await;
            };
            let back = async move {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from_agent.read(&mut buffer).await {
                    let message = BytesMessage { data: buffer[..count].to_vec() };
                    if answer_tx.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(forth, back);
        });
        Ok(Response::new(ReceiverStream::new(answer_rx)))
    }
}
