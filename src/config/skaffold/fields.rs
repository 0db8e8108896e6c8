//! Every field of Skaffold's newest schema, and what wharf does about it.
//!
//! A field is used, or quietly right (it tunes what wharf does by itself), or told of (what runs
//! is the same without it), or refused (what runs would differ). Nothing is ignored.

use super::super::error::Problem;
use super::super::node::{Fault, Key, Kind, Node};
use super::super::read::unknown;

/// The keys of one map.
pub(super) struct Table {
    within: &'static str,
    known: &'static [&'static str],
    fields: &'static [Field],
}

struct Field {
    shape: Shape,
    fate: Fate,
}

/// What a value looks like.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Number,
    Texts,
    /// Texts by name, at any depth.
    TextMap,
    Map(&'static Table),
    List(&'static Table),
    Any,
}

/// What wharf does about a field that is given.
#[derive(Clone, Copy)]
enum Fate {
    Used,
    /// What wharf does is the same or better without it.
    Quiet,
    /// It makes no difference to what runs; the text says what wharf does instead.
    Told(&'static str),
    /// It makes a difference to what runs; the text says what to do.
    Refused(&'static str),
}

use Fate::{Quiet, Refused, Told, Used};
use Shape::{Any, Flag, List, Map, Number, Text, TextMap, Texts};

macro_rules! tables {
    ($( $name:ident($within:literal) { $( $key:literal: $shape:expr, $fate:expr; )* } )*) => {$(
        static $name: Table = Table {
            within: $within,
            known: &[$($key),*],
            fields: &[$(Field { shape: $shape, fate: $fate }),*],
        };
    )*};
}

const HOOKS: Fate = Refused("wharf runs no hooks; run the command yourself, or take it out");
const FLAGS: Fate = Told("wharf applies through the API, so kubectl's flags have no effect");
const CLOUD: Fate =
    Refused("wharf builds with the local Docker Engine: choose a profile with `build.local`");

tables! {
    CONFIG("a Skaffold configuration") {
        "apiVersion": Text, Used;
        "kind": Text, Used;
        "metadata": Map(&METADATA), Used;
        "requires": List(&REQUIRES), Used;
        "build": Map(&BUILD), Used;
        "test": List(&TEST), Told("tests are not run: run them with your own command");
        "manifests": Map(&MANIFESTS), Used;
        "deploy": Map(&DEPLOY), Used;
        "portForward": List(&FORWARD), Used;
        "resourceSelector": Map(&SELECTOR), Refused("wharf replaces images in every pod template it knows, and in no others");
        "verify": List(&VERIFY), Told("`wharf` has no command that verifies: run the containers yourself");
        "customActions": List(&ACTION), Told("`wharf` has no command for custom actions: run the containers yourself");
        "profiles": List(&PROFILE), Used;
    }
    PROFILE("a profile") {
        "name": Text, Used;
        "activation": List(&ACTIVATION), Used;
        "requiresAllActivations": Flag, Used;
        "patches": List(&PATCH), Used;
        "build": Map(&BUILD), Used;
        "test": List(&TEST), Used;
        "manifests": Map(&MANIFESTS), Used;
        "deploy": Map(&DEPLOY), Used;
        "portForward": List(&FORWARD), Used;
        "resourceSelector": Map(&SELECTOR), Used;
        "verify": List(&VERIFY), Used;
        "customActions": List(&ACTION), Used;
    }
    METADATA("`metadata`") {
        "name": Text, Used;
        "labels": TextMap, Quiet;
        "annotations": TextMap, Quiet;
    }
    REQUIRES("`requires`") {
        "configs": Texts, Used;
        "path": Text, Used;
        "git": Map(&GIT), Refused("wharf reads no configurations out of git: clone it, and name its `path`");
        "googleCloudStorage": Map(&GCS), Refused("wharf does not read from Google Cloud Storage: copy it, and name its `path`");
        "googleCloudBuildRepoV2": Any, Refused("wharf does not read Cloud Build repositories: clone it, and name its `path`");
        "activeProfiles": List(&ACTIVE), Used;
    }
    GIT("`git`") {
        "repo": Text, Used;
        "path": Text, Used;
        "ref": Text, Used;
        "sync": Flag, Used;
    }
    GCS("`googleCloudStorage`") {
        "source": Text, Used;
        "path": Text, Used;
        "sync": Flag, Used;
    }
    ACTIVE("`activeProfiles`") {
        "name": Text, Used;
        "activatedBy": Texts, Used;
    }
    ACTIVATION("`activation`") {
        "env": Text, Used;
        "kubeContext": Text, Used;
        "command": Text, Used;
    }
    PATCH("a patch") {
        "op": Text, Used;
        "path": Text, Used;
        "from": Text, Used;
        "value": Any, Used;
    }
    BUILD("`build`") {
        "artifacts": List(&ARTIFACT), Used;
        "insecureRegistries": Texts, Told("whether a registry is spoken to in the clear is the Docker Engine's setting");
        "tagPolicy": Map(&TAG_POLICY), Used;
        "platforms": Texts, Used;
        "hooks": Any, HOOKS;
        "local": Map(&LOCAL), Used;
        "googleCloudBuild": Any, CLOUD;
        "cluster": Any, CLOUD;
    }
    LOCAL("`build.local`") {
        "push": Flag, Told("images are loaded into a local cluster, and pushed where there is a registry: `SKAFFOLD_DEFAULT_REPO`");
        "tryImportMissing": Flag, Quiet;
        "useDockerCLI": Flag, Quiet;
        "useBuildkit": Flag, Quiet;
        "concurrency": Number, Quiet;
    }
    TAG_POLICY("`build.tagPolicy`") {
        "gitCommit": Map(&GIT_COMMIT), Told("images are tagged by their content, which changes exactly when they do");
        "sha256": Any, Quiet;
        "envTemplate": Map(&ENV_TEMPLATE), Told("images are tagged by their content, which changes exactly when they do");
        "dateTime": Map(&DATE_TIME), Told("images are tagged by their content, which changes exactly when they do");
        "customTemplate": Any, Told("images are tagged by their content, which changes exactly when they do");
        "inputDigest": Any, Quiet;
    }
    GIT_COMMIT("`gitCommit`") {
        "variant": Text, Used;
        "prefix": Text, Used;
        "ignoreChanges": Flag, Used;
    }
    ENV_TEMPLATE("`envTemplate`") {
        "template": Text, Used;
    }
    DATE_TIME("`dateTime`") {
        "format": Text, Used;
        "timezone": Text, Used;
    }
    ARTIFACT("an artifact") {
        "image": Text, Used;
        "context": Text, Used;
        "sync": Map(&SYNC), Told("files are not copied into running containers: such a change rebuilds the image, which is slower and right");
        "platforms": Texts, Used;
        "runtimeType": Text, Quiet;
        "requires": List(&REQUIRED), Used;
        "hooks": Any, HOOKS;
        "docker": Map(&DOCKER), Used;
        "custom": Map(&CUSTOM), Used;
        "ko": Any, Refused("wharf does not build with ko: use `custom` with `buildCommand: ko build --local ...`");
        "jib": Any, Refused("wharf does not build with jib: use `custom` with `buildCommand: mvn jib:dockerBuild -Dimage=$IMAGE` or its Gradle twin");
        "buildpacks": Any, Refused("wharf does not build with buildpacks: use `custom` with `buildCommand: pack build $IMAGE ...`");
        "kaniko": Any, CLOUD;
        "bazel": Any, Refused("wharf does not build with Bazel: use `custom` with a `buildCommand` that loads the image as `$IMAGE`");
    }
    REQUIRED("a required artifact") {
        "image": Text, Used;
        "alias": Text, Used;
    }
    SYNC("`sync`") {
        "manual": List(&SYNC_RULE), Used;
        "infer": Texts, Used;
        "auto": Flag, Used;
        "hooks": Any, Used;
    }
    SYNC_RULE("a sync rule") {
        "src": Text, Used;
        "dest": Text, Used;
        "strip": Text, Used;
    }
    DOCKER("`docker`") {
        "dockerfile": Text, Used;
        "target": Text, Used;
        "buildArgs": TextMap, Used;
        "network": Text, Used;
        "addHost": Texts, Used;
        "cacheFrom": Texts, Told("the Docker Engine's own build cache is used");
        "cliFlags": Texts, Used;
        "pullParent": Flag, Told("a base image is looked up when it is not there; `docker pull` fetches a newer one");
        "noCache": Flag, Told("a content that was built is not built again; `--no-cache` builds anew");
        "squash": Flag, Refused("BuildKit cannot squash: use a build of several stages");
        "secrets": List(&SECRET), Used;
        "ssh": Text, Used;
    }
    SECRET("a build secret") {
        "id": Text, Used;
        "src": Text, Used;
        "env": Text, Used;
    }
    CUSTOM("`custom`") {
        "buildCommand": Text, Used;
        "dependencies": Map(&CUSTOM_DEPENDENCIES), Used;
    }
    CUSTOM_DEPENDENCIES("`dependencies`") {
        "paths": Texts, Used;
        "ignore": Texts, Used;
        "dockerfile": Map(&DOCKERFILE_DEPENDENCY), Told("every file of the context counts as an input");
        "command": Text, Told("every file of the context counts as an input");
    }
    DOCKERFILE_DEPENDENCY("`dependencies.dockerfile`") {
        "path": Text, Used;
        "buildArgs": TextMap, Used;
    }
    TEST("a test") {
        "image": Text, Used;
        "context": Text, Used;
        "custom": Any, Used;
        "structureTests": Texts, Used;
        "structureTestsArgs": Texts, Used;
    }
    MANIFESTS("`manifests`") {
        "rawYaml": Texts, Used;
        "remoteManifests": Any, Refused("wharf does not take objects out of the cluster: write them to a file");
        "kustomize": Map(&KUSTOMIZE), Used;
        "helm": Map(&HELM), Used;
        "kpt": Any, Refused("wharf does not render kpt packages: use `rawYaml` with their files");
        "transform": Any, Refused("wharf runs no kpt functions: change the manifests, or use `kustomize`");
        "validate": Any, Told("manifests are validated by the cluster, and by no kpt function");
        "hooks": Any, HOOKS;
        "output": Text, Told("`wharf render` prints to stdout");
    }
    KUSTOMIZE("`kustomize`") {
        "paths": Texts, Used;
        "buildArgs": Texts, Refused("wharf calls kustomize without flags of yours: put the options into the kustomization");
    }
    HELM("`helm`") {
        "releases": List(&RELEASE), Used;
        "flags": Map(&HELM_FLAGS), Used;
        "hooks": Any, HOOKS;
        "concurrency": Number, Quiet;
    }
    HELM_FLAGS("`flags`") {
        "global": Texts, Used;
        "install": Texts, Used;
        "upgrade": Texts, Used;
        "depBuild": Texts, Used;
        "template": Texts, Used;
    }
    RELEASE("a release") {
        "name": Text, Used;
        "chartPath": Text, Used;
        "remoteChart": Text, Used;
        "valuesFiles": Texts, Used;
        "namespace": Text, Used;
        "version": Text, Used;
        "repo": Text, Used;
        "setValues": TextMap, Used;
        "setValueTemplates": TextMap, Used;
        "setFiles": TextMap, Used;
        "overrides": Any, Used;
        "createNamespace": Flag, Quiet;
        "wait": Flag, Used;
        "recreatePods": Flag, Told("Helm no longer has such a flag");
        "skipBuildDependencies": Flag, Quiet;
        "skipTests": Flag, Quiet;
        "useHelmSecrets": Flag, Refused("wharf does not decrypt values: decrypt them to a file that `valuesFiles` names");
        "upgradeOnChange": Flag, Quiet;
        "packaged": Any, Refused("wharf installs the chart as it lies in the folder: give its version in `Chart.yaml`");
        "dependsOn": Texts, Used;
    }
    DEPLOY("`deploy`") {
        "kubectl": Map(&KUBECTL), Used;
        "helm": Map(&HELM), Used;
        "docker": Any, Refused("wharf deploys to a cluster, not to Docker: give `manifests`");
        "cloudrun": Any, Refused("wharf deploys to a cluster, not to Cloud Run: choose a profile with `kubectl`");
        "kpt": Any, Refused("wharf does not deploy kpt packages: use `manifests.rawYaml` with their files");
        "statusCheck": Flag, Used;
        "statusCheckDeadlineSeconds": Number, Used;
        "tolerateFailuresUntilDeadline": Flag, Told("a container that fails is told at once, and waited for until the deadline");
        "kubeContext": Text, Used;
        "logs": Map(&LOGS), Used;
    }
    KUBECTL("`deploy.kubectl`") {
        "flags": Map(&KUBECTL_FLAGS), FLAGS;
        "remoteManifests": Texts, Refused("wharf does not take objects out of the cluster: write them to a file");
        "defaultNamespace": Text, Used;
        "hooks": Any, HOOKS;
    }
    KUBECTL_FLAGS("`flags`") {
        "global": Texts, Used;
        "apply": Texts, Used;
        "delete": Texts, Used;
        "disableValidation": Flag, Used;
    }
    LOGS("`deploy.logs`") {
        "prefix": Text, Told("each line of the logs begins with the name of its workload");
        "jsonParse": Any, Told("lines of the logs are shown as they are");
    }
    FORWARD("a port forward") {
        "resourceType": Text, Used;
        "resourceName": Text, Used;
        "namespace": Text, Used;
        "port": Text, Used;
        "address": Text, Used;
        "localPort": Number, Used;
    }
    SELECTOR("`resourceSelector`") {
        "allow": Any, Used;
        "deny": Any, Used;
    }
    VERIFY("a verification") {
        "name": Text, Used;
        "timeout": Number, Used;
        "container": Any, Used;
        "executionMode": Any, Used;
    }
    ACTION("a custom action") {
        "name": Text, Used;
        "containers": Any, Used;
        "failFast": Flag, Used;
        "timeout": Number, Used;
        "executionMode": Any, Used;
    }
}

/// A field that is told of: its name, where it stands, and what wharf does instead.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) field: String,
    pub(super) at: usize,
    pub(super) instead: &'static str,
}

/// Checks that `document` has the fields of the schema and no others, profiles included.
pub(super) fn check_shape(document: &Node) -> Result<(), Fault> {
    CONFIG.check(document, &mut |_, _, _, _| Ok(()))
}

/// Refuses what wharf does not carry out and what would change what runs; the rest is remarked on.
pub(super) fn check_fates(document: &Node) -> Result<Vec<Remark>, Fault> {
    let mut remarks: Vec<Remark> = Vec::new();
    CONFIG.check(document, &mut |path: &[&'static str], key: &Key, value: &Node, fate| {
        // Profiles were laid over the rest, or are not active.
        if path.first() == Some(&"profiles") || asks_for_nothing(value) {
            return Ok(());
        }
        let field = path.join(".");
        match fate {
            Used | Quiet => {}
            Told(instead) => {
                if !remarks.iter().any(|other| other.field == field) {
                    remarks.push(Remark { field, at: key.at.start, instead });
                }
            }
            Refused(help) => {
                let problem = Problem::Conflict {
                    what: format!("`{field}` of Skaffold is not carried out by wharf"),
                    help: help.to_owned(),
                };
                let fault =
                    Fault { profile: value.profile.clone(), ..Fault::new(problem, key.at.clone()) };
                return Err(fault);
            }
        }
        Ok(())
    })?;
    Ok(remarks)
}

/// `key:`, `key: []` and `key: false` ask for nothing; `key: {}` does.
fn asks_for_nothing(value: &Node) -> bool {
    match &value.kind {
        Kind::Map(_) => false,
        _ => value.is_vacant() || value.truth() == Some(false),
    }
}

type Visit<'v> = dyn FnMut(&[&'static str], &Key, &Node, Fate) -> Result<(), Fault> + 'v;

impl Table {
    fn check(&'static self, node: &Node, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.walk(node, &mut vec![], visit)
    }

    fn walk(
        &'static self,
        node: &Node,
        path: &mut Vec<&'static str>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        for (key, value) in node.entries(&format!("a map with the keys of {}", self.within))? {
            let Some(index) = self.known.iter().position(|known| *known == key.text) else {
                return Err(unknown(key, value, self.within, self.known));
            };
            let field = &self.fields[index];
            path.push(self.known[index]);
            field.shape.walk(value, path, visit)?;
            visit(path, key, value, field.fate)?;
            path.pop();
        }
        Ok(())
    }
}

impl Shape {
    fn walk(
        self,
        value: &Node,
        path: &mut Vec<&'static str>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        if value.kind == Kind::Null {
            return Ok(());
        }
        let is_scalar = matches!(value.kind, Kind::Scalar { .. });
        match self {
            Any => Ok(()),
            Text if is_scalar => Ok(()),
            Text => Err(value.wrong("a text")),
            Flag if value.truth().is_some() => Ok(()),
            Flag => Err(value.wrong("`true` or `false`")),
            Number if value.as_text().is_some_and(|text| text.parse::<i64>().is_ok()) => Ok(()),
            Number => Err(value.wrong("a whole number")),
            Texts => {
                let Kind::List(items) = &value.kind else {
                    return Err(value.wrong("a list of texts"));
                };
                let wrong = items
                    .iter()
                    .find(|item| !matches!(item.kind, Kind::Scalar { .. } | Kind::Null));
                wrong.map_or(Ok(()), |item| Err(item.wrong("a text")))
            }
            TextMap => {
                for (_, value) in value.entries("a map of texts by name")? {
                    match &value.kind {
                        Kind::Map(_) => self.walk(value, path, visit)?,
                        Kind::List(items) if items.iter().all(|item| item.as_text().is_some()) => {}
                        Kind::List(_) => return Err(value.wrong("a text")),
                        Kind::Null | Kind::Scalar { .. } => {}
                    }
                }
                Ok(())
            }
            Map(table) => table.walk(value, path, visit),
            List(table) => {
                let Kind::List(items) = &value.kind else { return Err(value.wrong("a list")) };
                items.iter().try_for_each(|item| table.walk(item, path, visit))
            }
        }
    }
}
