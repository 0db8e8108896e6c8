//! The post-renderer that puts images into charts that hard-code them: wharf itself.
//!
//! Helm 3 runs any program; Helm 4 only plugins, so a folder of plugins is made that has this one
//! (and whatever the person has installed, by links). The program reads manifests on stdin and
//! writes them to stdout with the images of a file of JSON put in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Alterations, ArtifactName, ImageRef, ReleaseName};
use crate::tools::Tools;

use super::error::RenderError;
use super::images::Targets;
use super::scope::RenderScope;
use super::yaml::{self, Duplicates};
use super::{functions, helm, replace};

/// The plugin's name, for Helm 4.
const PLUGIN: &str = "wharf-post-render";

/// wharf's hidden subcommand: `wharf post-render FILE`.
pub const POST_RENDER_COMMAND: &str = "post-render";

/// A program that Helm pipes its manifests through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostRenderer {
    /// Helm 3: an executable and its arguments.
    Program {
        /// The executable.
        path: PathBuf,
        /// Its arguments, each for one `--post-renderer-args`.
        args: Vec<String>,
    },
    /// Helm 4: a plugin in a private folder.
    Plugin {
        /// The plugin's name.
        name: String,
        /// What `HELM_PLUGINS` is set to.
        folder: PathBuf,
        /// Its arguments, each for one `--post-renderer-args`.
        args: Vec<String>,
    },
}

/// Makes what `helm upgrade` needs to put `images` into what it renders.
///
/// `wharf` is the running program. What is written lies in `folder` and may be removed as soon as
/// Helm has ended; each release needs a folder of its own.
///
/// # Errors
///
/// [`RenderError::Unwritable`] when the folder cannot be written to, [`RenderError::NoHelm`].
pub async fn post_renderer(
    scope: &RenderScope,
    wharf: &Path,
    folder: &Path,
    alterations: &Alterations,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> Result<PostRenderer, RenderError> {
    let helm = scope.helm().await?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RenderError::Unwritable { path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let file = folder.join("images.json");
    let work = Work { images: images.clone(), alterations: alterations.clone() };
    let json = serde_json::to_vec(&work).unwrap_or_default();
    std::fs::write(&file, json).map_err(failed(&file))?;
    if helm.major == 3 {
        let args = vec![POST_RENDER_COMMAND.to_owned(), file.display().to_string()];
        return Ok(PostRenderer::Program { path: wharf.to_owned(), args });
    }
    let plugins = folder.join("plugins");
    let own = plugins.join(PLUGIN);
    std::fs::create_dir_all(&own).map_err(failed(&own))?;
    let manifest = own.join("plugin.yaml");
    std::fs::write(&manifest, plugin_manifest(wharf, &file)).map_err(failed(&manifest))?;
    link_plugins(&scope.tools, &plugins);
    Ok(PostRenderer::Plugin { name: PLUGIN.to_owned(), folder: plugins, args: Vec::new() })
}

/// Helm 4's `plugin.yaml`, as <https://helm.sh/docs/plugins/> describes it.
fn plugin_manifest(wharf: &Path, file: &Path) -> String {
    let manifest = serde_json::json!({
        "apiVersion": "v1",
        "type": "postrenderer/v1",
        "name": PLUGIN,
        "version": "1.0.0",
        "runtime": "subprocess",
        "runtimeConfig": {
            "platformCommand": [{
                "command": wharf.display().to_string(),
                "args": [POST_RENDER_COMMAND, file.display().to_string()],
            }],
        },
    });
    format!("{manifest:#}\n")
}

/// Makes the person's own plugins visible beside wharf's: charts may come through one of them.
fn link_plugins(tools: &Tools, plugins: &Path) {
    let folder = |name: &str| tools.variable(name).map(PathBuf::from);
    let theirs = folder("HELM_PLUGINS")
        .or_else(|| folder("HELM_DATA_HOME").map(|home| home.join("plugins")))
        .or_else(|| folder("XDG_DATA_HOME").map(|home| home.join("helm/plugins")))
        .or_else(|| folder("HOME").map(|home| home.join(".local/share/helm/plugins")));
    let Some(theirs) = theirs else { return };
    for entry in std::fs::read_dir(theirs).into_iter().flatten().flatten() {
        // A plugin that cannot be linked is missing only for charts that come through it.
        let _ = std::os::unix::fs::symlink(entry.path(), plugins.join(entry.file_name()));
    }
}

/// Puts the images of `file`, which [`post_renderer`] wrote, into `manifests`, changing nothing
/// else: what `wharf post-render FILE` does from stdin to stdout.
///
/// # Errors
///
/// [`RenderError::Unreadable`] when there is no such file, [`RenderError::Yaml`] when the
/// manifests are no YAML.
pub fn post_render(manifests: &str, file: &Path) -> Result<String, RenderError> {
    let unreadable = |source| RenderError::Unreadable { path: file.to_owned(), source };
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let work: Work = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.into()))?;
    let Work { images, alterations } = work;
    if alterations.functions.is_empty() && alterations.images.is_empty() {
        return replaced(manifests, &images);
    }
    altered(manifests, &images, &alterations)
}

/// What the post-renderer is to do, as it is written to its file.
#[derive(Debug, Serialize, Deserialize)]
struct Work {
    images: BTreeMap<ArtifactName, ImageRef>,
    #[serde(default)]
    alterations: Alterations,
}

/// `manifests` with `images` put in where they may be, and functions applied.
fn altered(
    manifests: &str,
    images: &BTreeMap<ArtifactName, ImageRef>,
    alterations: &Alterations,
) -> Result<String, RenderError> {
    let targets = Targets::new(images).with_rules(&alterations.images);
    let documents = yaml::documents(manifests, Duplicates::LastCounts)
        .map_err(|problem| RenderError::yaml(Path::new("stdin"), manifests, problem))?;
    let objects = documents.into_iter().flat_map(|document| helm::flattened(document.value));
    let mut objects: Vec<Value> = objects.collect();
    objects.iter_mut().for_each(|object| replace::in_object(object, &targets));
    functions::apply(&alterations.functions, objects.iter_mut()).map_err(|refusal| {
        let functions::Refusal { function, why } = refusal;
        let release = ReleaseName::parse("stdin").expect("`stdin` is a name");
        RenderError::Function { release, function, why }
    })?;
    Ok(yaml::write(&objects))
}

/// `manifests` with `images` put in.
pub(super) fn replaced(
    manifests: &str,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> Result<String, RenderError> {
    replace::in_text(manifests, &Targets::new(images))
        .map_err(|problem| RenderError::yaml(Path::new("stdin"), manifests, problem))
}
