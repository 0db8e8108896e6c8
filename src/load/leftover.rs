//! Names that a killed wharf left in the Engine: a delivery gives the image a further name there,
//! in a registry on a port of its own process, and takes it away when it ends.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::docker::Engine;
use crate::model::ImageRef;

use super::facade;

/// How long all of it may take; what stays is found the next time.
const LIMIT: Duration = Duration::from_secs(5);

/// Takes away what a delivery left in the Engine that was killed: names whose registry is gone.
pub async fn sweep(engine: &Engine) {
    let swept = tokio::time::timeout(LIMIT, async {
        let names = engine.names(&format!("127.0.0.1:*/{}", facade::REPOSITORY)).await?;
        for name in names.iter().filter_map(|name| ImageRef::parse(name).ok()) {
            let Some(port) = facade::port_of(&name) else { continue };
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                continue;
            }
            tracing::debug!(%name, "a killed wharf has left a name in the Engine");
            engine.untag(&name, true).await?;
        }
        Ok::<_, crate::docker::DockerError>(())
    });
    match swept.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "names in the Engine are not looked for"),
        Err(_) => tracing::debug!("the Engine takes its time to list names"),
    }
}
