//! Image references → Helm values, kustomize, raw YAML → manifests.
//!
//! Comes in: a release and the images that were built. Goes out: what will be deployed, with
//! exactly these images in it, or a [`RenderError`] that names the file, template or values key
//! to change. Values are the first choice, since they reach hooks too; a post-renderer (wharf
//! itself) puts in only what a chart hard-codes. Nothing here talks to a cluster: what charts ask
//! of it comes in as plain versions, and `lookup` finds nothing while rendering.
//!
//! [`fingerprint`] tells without running a program whether anything changed; [`uses`] finds which
//! images a release uses and through which values; [`render`] puts the images in and checks.

mod candidates;
mod chart;
mod checks;
mod dependencies;
mod error;
mod fingerprint;
mod functions;
mod helm;
mod helm_errors;
mod ignore_rules;
mod images;
mod kinds;
mod kustomize;
mod manifests;
mod marks;
mod packed;
mod post_renderer;
mod range;
mod release;
mod replace;
mod scope;
mod search;
mod secrets;
mod setters;
mod snippet;
#[cfg(test)]
mod tests;
mod values;
mod watched;
mod yaml;

use serde_json::Value;

pub use chart::Dependency;
pub use dependencies::{build_dependencies, dependencies_satisfied};
pub use error::{AlwaysPulled, HardCodedHook, RenderError, Suggestion};
pub use fingerprint::fingerprint;
pub use helm::Helm;
pub use post_renderer::{POST_RENDER_COMMAND, PostRenderer, post_render, post_renderer};
pub use release::{Rendered, Shape, object_ref, render, uses};
pub use scope::RenderScope;
pub use watched::watched;

/// `objects` as one stream of YAML. What YAML 1.1 would read as something else than it is (`yes`,
/// `012`, `1e3`) is quoted.
#[must_use]
pub fn to_yaml<'v>(objects: impl IntoIterator<Item = &'v Value>) -> String {
    yaml::write(objects)
}
