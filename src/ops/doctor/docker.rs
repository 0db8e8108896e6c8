//! The Engine, its builder, and the disk that its images lie on.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use crate::docker::{DockerError, Engine};
use crate::report::Check;
use crate::tools::Tools;

use super::machine::disk;
use super::{fail, failed, ok, warn};

/// An Engine that is well answers in milliseconds, a busy one within a second or two.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn checks(tools: &Tools) -> Vec<Check> {
    let engine = match Engine::connect(tools) {
        Ok(engine) => engine,
        Err(error) => return vec![failed("docker", &error.failure())],
    };
    match timeout(LIMIT, ask(&engine)).await {
        Ok(Ok(checks)) => checks,
        Ok(Err(error)) => vec![failed("docker", &error.failure())],
        Err(_) => {
            let what = format!("{} did not answer in {} s", engine.endpoint(), LIMIT.as_secs());
            vec![fail("docker", what, "restart the Docker Engine")]
        }
    }
}

async fn ask(engine: &Engine) -> Result<Vec<Check>, DockerError> {
    let info = engine.info().await?;
    let at = engine.endpoint();
    let mut checks =
        vec![ok("docker", format!("Engine {} at {at}, {}", info.version, info.platform))];
    checks.push(if engine.has_buildkit().await? {
        ok("buildkit", "the Engine builds with BuildKit")
    } else {
        let help = "use Docker Engine 18.09 or newer; builds without BuildKit are slower, and have no secrets and mounts";
        warn("buildkit", "the Engine has only the classic builder", help)
    });
    let root = Path::new(&info.data_root);
    if at.is_local() && root.exists() {
        checks.extend(disk("docker disk", root, "make room with `docker system prune`"));
    }
    Ok(checks)
}
