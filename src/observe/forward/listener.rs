//! The listener of one forward, and the connections it has accepted.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::busy;
use super::carry::{End, Sent};
use super::scout::{Answering, scout};
use super::target::{Target, Way, local_port};
use super::tunnel::Tunnels;
use crate::model::{Forward, Namespace};
use crate::observe::error::ObserveError;
use crate::observe::moments::Moment;
use crate::observe::pod::is_ready;
use crate::observe::scene::Scene;
use crate::report::Reporter;

/// How long a connection waits for a pod to be ready.
const HOLD_LIMIT: Duration = Duration::from_secs(30);
/// How long a pod that is called ready may refuse connections: without a readiness probe it is
/// called ready as soon as it starts.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);
/// Between two attempts to dial: each costs the node some 30 ms of CPU.
const PAUSE: Duration = Duration::from_millis(250);
/// Connections that are served at once; more wait to be accepted.
const CONNECTIONS: usize = 256;

/// An open local port. Dropping it closes the port and its connections.
#[derive(Debug)]
pub struct OpenForward {
    local: SocketAddr,
    target: String,
    remote: String,
    task: JoinSet<()>,
}

impl OpenForward {
    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// What it leads to, such as `service/web`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The port it leads to, by number or name.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// Closes the port and waits until nothing of it is left.
    pub async fn close(mut self) {
        self.task.shutdown().await;
    }
}

/// Opens the local port of `forward`. `default` is the namespace where the forward names none; when
/// new connections go to another pod, `moments` is told.
///
/// The target need not exist yet where the port is given by number: connections are held then.
///
/// # Errors
///
/// [`ObserveError::PortTaken`] names the process that holds the port; [`ObserveError::NoTarget`]
/// and [`ObserveError::NoPort`] say what is missing.
pub async fn open(
    scene: &Scene,
    forward: &Forward,
    default: &Namespace,
    reporter: &Reporter,
    moments: Option<mpsc::Sender<Moment>>,
) -> Result<OpenForward, ObserveError> {
    let target = Target::of(forward, default);
    listed(scene, &target).await?;
    let remote = target.named_port(scene)?;
    let Some(local) = forward.local.or(remote.map(local_port)) else {
        let namespace = target.namespace.to_string();
        return Err(ObserveError::NoTarget { target: target.short(), namespace });
    };
    let address = forward.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let local = SocketAddr::from((address, local));
    let listener = match TcpListener::bind(local).await {
        Ok(listener) => listener,
        Err(error) => return Err(not_opened(local, &target, &error).await),
    };
    // Port 0 asks the system for any.
    let local = listener.local_addr().unwrap_or(local);
    let remote = remote.map(|port| port.to_string()).unwrap_or_default();
    let short = target.short();
    let gate = Gate {
        scene: scene.clone(),
        tunnels: Arc::new(Tunnels::new(scene.client().clone(), target.namespace.clone())),
        answering: Arc::default(),
        target,
        local,
        reporter: reporter.clone(),
        told: Mutex::default(),
    };
    let mut task = JoinSet::new();
    let (answering, tunnels) = (Arc::clone(&gate.answering), Arc::clone(&gate.tunnels));
    task.spawn(scout(scene.clone(), gate.target.clone(), answering, tunnels, moments));
    task.spawn(accept(listener, Arc::new(gate)));
    Ok(OpenForward { local, target: short, remote, task })
}

/// Waits until what the target needs has been listed.
async fn listed(scene: &Scene, target: &Target) -> Result<(), ObserveError> {
    let mut changes = scene.changes();
    while !target.is_listed(scene) {
        let trouble = scene.pods(&target.namespace).trouble();
        let trouble = trouble.or_else(|| scene.services(&target.namespace).trouble());
        if let Some(trouble) = trouble.filter(|trouble| matches!(trouble.status, 401 | 403)) {
            return Err(ObserveError::Forbidden { what: target.short(), why: trouble.text });
        }
        if changes.changed().await.is_err() {
            return Err(ObserveError::Cancelled);
        }
    }
    Ok(())
}

async fn not_opened(local: SocketAddr, target: &Target, error: &io::Error) -> ObserveError {
    if error.kind() != io::ErrorKind::AddrInUse {
        return ObserveError::PortRefused { local, why: error.to_string() };
    }
    let port = local.port();
    let holder = tokio::task::spawn_blocking(move || busy::holder(port)).await.ok().flatten();
    ObserveError::PortTaken { local, target: target.short(), holder }
}

/// What the connections of one forward share.
#[derive(Debug)]
struct Gate {
    scene: Scene,
    tunnels: Arc<Tunnels>,
    target: Target,
    answering: Arc<Answering>,
    local: SocketAddr,
    reporter: Reporter,
    /// What was told about connections that could not be served, so that it is told once.
    told: Mutex<BTreeSet<String>>,
}

async fn accept(listener: TcpListener, gate: Arc<Gate>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((connection, _)) => {
                let gate = Arc::clone(&gate);
                connections.spawn(async move {
                    gate.serve(connection).await;
                    drop(place);
                });
            }
            // Out of file descriptors, most likely; connections that end give some back.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

impl Gate {
    async fn serve(&self, mut connection: TcpStream) {
        let _ = connection.set_nodelay(true);
        let deadline = Instant::now() + HOLD_LIMIT;
        // By whom, and until when it may go on.
        let mut refused: Option<(Way, Instant)> = None;
        let mut sent = Sent::default();
        let mut last_word = None;
        while let Some((way, has_waited)) = self.way(deadline).await {
            // A pod that has just become ready gets time of its own.
            refused.take_if(|(by, _)| has_waited || *by != way);
            let word = match self.tunnels.open(&way.pod, &way.uid, way.port).await {
                Ok(tunnel) => match tunnel.carry(&mut connection, &mut sent).await {
                    End::Closed => return self.forget(),
                    // Whoever replaces or restarts the pod says so already.
                    End::Broken(_) if !self.is_ready(&way) => return,
                    End::Broken(word) => return self.tell(&way, &word),
                    End::Refused(word) => {
                        let by = || (way.clone(), Instant::now() + REFUSAL_LIMIT);
                        let until = refused.get_or_insert_with(by).1;
                        if Instant::now() >= until {
                            last_word = Some((way, word));
                            break;
                        }
                        word
                    }
                },
                Err(word) => word,
            };
            last_word = Some((way, word));
            if Instant::now() + PAUSE >= deadline {
                break;
            }
            sleep(PAUSE).await;
        }
        match last_word {
            Some((way, word)) => self.tell(&way, &word),
            None => self.tell_held(),
        }
        // Nobody has heard the client. An orderly end could pass for an empty answer.
        let _ = connection.set_zero_linger();
    }

    /// The way to a pod that answers, as soon as there is one, and whether it was waited for.
    async fn way(&self, deadline: Instant) -> Option<(Way, bool)> {
        let mut changes = self.scene.changes();
        let mut has_waited = false;
        loop {
            changes.borrow_and_update();
            match self.target.choose(&self.scene, &self.answering) {
                Ok(Some(way)) => return Some((way, has_waited)),
                Ok(None) => {}
                Err(error) => {
                    let failure = error.failure();
                    self.say(failure.what, failure.help.into_iter().next());
                    return None;
                }
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return None;
            }
            has_waited = true;
        }
    }

    /// Whether the pod is still there and ready, as far as is known.
    fn is_ready(&self, way: &Way) -> bool {
        let pod = self.scene.pods(&self.target.namespace).get(&way.pod);
        pod.is_some_and(|pod| pod.uid().as_deref() == Some(&way.uid) && is_ready(&pod))
    }

    fn tell(&self, way: &Way, word: &str) {
        let (target, port) = (self.target.short(), way.port);
        if word.contains("connection refused") {
            let text = format!(
                "{target}: nothing listens on port {port} in pod {}; a connection to {} was closed",
                way.pod, self.local
            );
            let help = format!(
                "check the port that the program listens on, and `containerPort`/`targetPort` {port}"
            );
            return self.say(text, Some(help));
        }
        let word = crate::observe::pod::one_line(word);
        self.say(format!("{target}: a connection to pod {} broke: {word}", way.pod), None);
    }

    fn tell_held(&self) {
        let text = format!(
            "{} has no ready pod: a connection to {} was closed after {} s",
            self.target.short(),
            self.local,
            HOLD_LIMIT.as_secs()
        );
        self.say(text, None);
    }

    fn say(&self, text: String, help: Option<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(text.clone()) {
            self.reporter.warn(text, help);
        }
    }

    /// A connection was served: whatever goes wrong from here on is news again.
    fn forget(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
