//! gRPC over a raw connection, as a client and as a server, with every task owned by the caller.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How much may be in flight on a stream or connection. BuildKit asks for thousands of files with
/// a small frame each; with small windows h2 takes that for an attack and ends the connection.
const WINDOW_BYTES: u32 = 16 << 20;

/// The tasks that gRPC connections need. Dropping it ends them all, and with them the sockets.
#[derive(Debug, Default)]
pub struct Tasks {
    set: Arc<Mutex<JoinSet<()>>>,
}

/// Starts tasks that end with the [`Tasks`] it came from; starts none after that.
#[derive(Debug, Clone)]
pub struct Spawner {
    // Tasks hold spawners, so a strong reference would keep them all alive.
    set: Weak<Mutex<JoinSet<()>>>,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What connections and services start their tasks with.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner { set: Arc::downgrade(&self.set) }
    }

    /// Ends all tasks and waits until they are gone.
    pub async fn close(self) {
        let mut set = {
            let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *set)
        };
        set.shutdown().await;
    }

    /// A client's channel over `connection`. It ends with the connection; it is never reopened.
    ///
    /// # Errors
    ///
    /// When the other side speaks no HTTP/2.
    pub async fn client<C>(&self, connection: C) -> Result<Channel, tonic::transport::Error>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut only = Some(TokioIo::new(connection));
        let connect = service_fn(move |_| {
            let connection = only.take();
            async move {
                connection.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected))
            }
        });
        Endpoint::from_static("http://wharf")
            .executor(self.spawner())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .connect_with_connector(connect)
            .await
    }

    /// Serves `routes` to the other side of `connection`.
    pub fn serve<C>(&self, connection: C, routes: Routes)
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let serving = hyper::server::conn::http2::Builder::new(self.spawner())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .serve_connection(TokioIo::new(connection), TowerToHyperService::new(routes));
        self.spawner().spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a served connection ended");
            }
        });
    }
}

impl Spawner {
    /// Starts `task`.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(set) = self.set.upgrade() else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        // Finished tasks are let go here, since nobody waits for them one by one.
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, task: F) {
        self.spawn(Box::pin(task) as Pin<Box<dyn Future<Output = ()> + Send>>);
    }
}
