//! `wharf config`, `wharf schema`, `wharf init`: the configuration itself.

use crate::config;
use crate::config::ConfigRequest;
use crate::files;
use crate::model::{Action, ContextName, Namespace};
use crate::report::{Failure, Report, Reporter};

/// The file that `wharf init` writes.
const FILE: &str = "wharf.yaml";

/// What the command line says about the cluster, which beats the file.
#[derive(Debug, Clone, Default)]
pub struct ClusterFlags {
    /// `--context`.
    pub context: Option<ContextName>,
    /// `--namespace`.
    pub namespace: Option<Namespace>,
}

/// `wharf config`: tells the configuration in effect, secrets redacted.
///
/// # Errors
///
/// What is wrong with the configuration.
pub fn effective(
    request: &ConfigRequest,
    flags: ClusterFlags,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let mut loaded = config::load(request).map_err(|error| error.failure())?;
    loaded.notes.iter().for_each(|note| reporter.note(note));
    if let Some(context) = flags.context {
        loaded.project.cluster.context = Some(context);
        loaded.provenance.flag(&["cluster", "context"], "--context");
    }
    if let Some(namespace) = flags.namespace {
        loaded.project.cluster.namespace = Some(namespace);
        loaded.provenance.flag(&["cluster", "namespace"], "--namespace");
    }
    let text = config::render_effective(&loaded.project, &loaded.provenance);
    // From the redacted text: what is redacted there must not show up here.
    let mut data: serde_json::Value = serde_saphyr::from_str(&text).map_err(|error| {
        Failure::bug("the configuration in effect cannot be read back").because(error.to_string())
    })?;
    data["provenance"] = config::sources(&loaded.project, &loaded.provenance);
    reporter.tell(Report::Data { what: "config", text, data });
    Ok(())
}

/// `wharf schema`: tells the JSON Schema of `wharf.yaml`.
pub fn schema(reporter: &Reporter) {
    let data = config::schema();
    let text = format!("{data:#}\n");
    reporter.tell(Report::Data { what: "schema", text, data });
}

/// What `wharf init` is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// Write the file, unless one is there.
    Write,
    /// Write the file, whatever is there.
    Replace,
    /// Print it.
    Print,
}

/// `wharf init`: writes what a `skaffold.yaml` says, or what can be inferred, as a `wharf.yaml`.
///
/// # Errors
///
/// When a file is there, when nothing can be inferred, or when the file cannot be written.
pub fn init(request: &ConfigRequest, init: Init, reporter: &Reporter) -> Result<(), Failure> {
    let folder = &request.dir;
    let there = [FILE, "wharf.yml"].into_iter().find(|name| folder.join(name).exists());
    if let (Init::Write, Some(name)) = (init, there) {
        let what = format!("there is a `{name}` already");
        return Err(Failure::request("wharf::init::exists", what)
            .help("see what would be written: `wharf init --dry-run`")
            .help("replace it: `wharf init --force`"));
    }
    let loaded = config::proposal(request).map_err(|error| match error.failure() {
        failure if error.is_nothing_found() => {
            let what =
                format!("there is nothing in `{}` to infer a `{FILE}` from", request.dir.display());
            let help = "start in the folder with the Dockerfile and a Helm chart, kustomization or \
                        manifests, or write it by hand: `wharf schema` has every key";
            Failure { what, help: vec![help.to_owned()], ..failure }
        }
        failure => failure,
    })?;
    loaded.notes.iter().for_each(|note| reporter.note(note));
    if let Some(left_out) = left_out(request) {
        reporter.note(left_out);
    }
    let text = config::init(&loaded.project, &loaded.provenance);
    if init == Init::Print {
        let data = text.clone().into();
        reporter.tell(Report::Data { what: "init", text, data });
        return Ok(());
    }
    // One that is replaced keeps its name: two files would leave open which one counts.
    let name = there.unwrap_or(FILE);
    files::write_atomically(&folder.join(name), text.as_bytes(), 0o644)
        .map_err(|error| error.failure())?;
    reporter.note(format!("wrote {name}; look it over, then run: wharf dev"));
    Ok(())
}

/// What a `skaffold.yaml` has and a `wharf.yaml` has no keys for.
fn left_out(request: &ConfigRequest) -> Option<String> {
    let checks = config::left_out(request).ok()?;
    let names = |sort: &str, actions: &[Action]| {
        let names: Vec<String> = actions.iter().map(|one| format!("`{}`", one.name)).collect();
        (!names.is_empty()).then(|| format!("{sort} {}", names.join(", ")))
    };
    let verify = names("the verifications", &checks.verify);
    let actions = names("the custom actions", &checks.actions);
    let both: Vec<String> = verify.into_iter().chain(actions).collect();
    (!both.is_empty()).then(|| {
        format!(
            "left out, since `{FILE}` has no keys for them: {}; `wharf verify` and `wharf exec` \
             run them with `-f skaffold.yaml`",
            both.join(" and ")
        )
    })
}
