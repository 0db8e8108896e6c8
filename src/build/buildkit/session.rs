//! The session: what BuildKit may ask of wharf during one build.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bollard_buildkit_proto::health::health_server::HealthServer;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSyncServer;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use bytes::Bytes;
use tonic::service::Routes;

use crate::build::{BuildScope, DockerInputs, NamedInputs};
use crate::docker::{DockerError, Tasks, random_id};

use super::agents::{Agents, Alive, Given, Logins, SecretTrouble};
use super::files::{Files, Folder, Ledger};
use super::hidden::Hidden;

/// BuildKit only calls what the session says it has.
const METHODS: [&str; 6] = [
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
];

/// An open session.
pub(super) struct Session {
    /// What the build names it by; unique.
    pub(super) id: String,
    /// What became of the files.
    pub(super) ledger: Arc<Ledger>,
    /// What became of the secrets.
    pub(super) trouble: SecretTrouble,
}

/// Opens a session for one build; it lives as long as `tasks`.
///
/// `shared_key` names the context across builds: BuildKit keeps its files under it and asks for
/// what differs.
pub(super) async fn open(
    scope: &BuildScope,
    inputs: &DockerInputs,
    shared_key: &str,
    hidden: &Hidden,
    tasks: &Tasks,
) -> Result<Session, DockerError> {
    let id = random_id();
    let mut headers = vec![
        ("X-Docker-Expose-Session-Uuid", id.clone()),
        ("X-Docker-Expose-Session-Name", "wharf".to_owned()),
        ("X-Docker-Expose-Session-Sharedkey", shared_key.to_owned()),
    ];
    let methods = METHODS.iter();
    headers
        .extend(methods.map(|&method| ("X-Docker-Expose-Session-Grpc-Method", method.to_owned())));
    let connection = scope.engine.open_h2c("/session", &headers).await?;
    let ledger = Arc::new(Ledger::default());
    let trouble = SecretTrouble::default();
    let files = Files {
        folders: Arc::new(folders(inputs)),
        ledger: Arc::clone(&ledger),
        spawner: tasks.spawner(),
    };
    let given = Given {
        secrets: inputs.secrets.clone(),
        tools: scope.tools.clone(),
        trouble: Arc::clone(&trouble),
        hidden: hidden.clone(),
    };
    let agents = Agents { sockets: sockets(scope, inputs), spawner: tasks.spawner() };
    let routes = Routes::new(HealthServer::new(Alive))
        .add_service(FileSyncServer::new(files))
        .add_service(AuthServer::new(Logins(scope.credentials.clone())))
        .add_service(SecretsServer::new(given))
        .add_service(SshServer::new(agents));
    tasks.serve(connection, routes);
    Ok(Session { id, ledger, trouble })
}

/// The folders that BuildKit may ask for, by the names that Dockerfile builds use.
fn folders(inputs: &DockerInputs) -> BTreeMap<String, Folder> {
    let mut dockerfile = BTreeMap::from([(
        inputs.dockerfile_name.clone(),
        Bytes::from(inputs.dockerfile_text.clone()),
    )]);
    if let Some(text) = &inputs.dockerignore {
        let name = format!("{}.dockerignore", inputs.dockerfile_name);
        dockerfile.insert(name, Bytes::from(text.clone()));
    }
    let context =
        Folder::Disk { root: inputs.context.clone(), entries: Arc::clone(&inputs.entries) };
    let mut folders = BTreeMap::from([
        ("dockerfile".to_owned(), Folder::of(dockerfile)),
        ("context".to_owned(), context),
    ]);
    for (name, named) in &inputs.named {
        if let NamedInputs::Folder { path, entries } = named {
            let folder = Folder::Disk { root: path.clone(), entries: Arc::clone(entries) };
            folders.insert(name.clone(), folder);
        }
    }
    folders
}

/// The agents' sockets by id.
fn sockets(scope: &BuildScope, inputs: &DockerInputs) -> BTreeMap<String, PathBuf> {
    let usual = scope.tools.variable("SSH_AUTH_SOCK").map(PathBuf::from);
    let sockets = inputs.ssh.iter().filter_map(|agent| {
        let socket = agent.socket.clone().or_else(|| usual.clone())?;
        Some((agent.id.clone(), socket))
    });
    sockets.collect()
}
