//! What `wharf.yaml` may say: each key with the sentence that is its help text.

use crate::model::{ContextName, Namespace, Platform};

use super::forms::{ForwardEntry, Globs, KustomizeForm, LogForm, ManifestForm, SshForm, WaitForm};
use super::read::{Anything, Named, Port, Span, Spanned, Text, keys};

/// The JSON Schema of `wharf.yaml`.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<ConfigFile>();
    schema.insert("title".to_owned(), "wharf.yaml".into());
    schema.to_value()
}

keys! {
    /// The configuration of one project for wharf.
    ConfigFile("the configuration") {
        /// Names the project's state and its record in the cluster; by default the folder's name.
        "name" name: String,
        /// Images that wharf builds, by the name that manifests and values call them.
        "images" images: Named<ImageEntry>,
        /// Helm releases, by name.
        "releases" releases: Named<ReleaseEntry>,
        /// Folders with a kustomization, as a list or by name.
        "kustomize" kustomize: KustomizeForm,
        /// Globs of YAML files that are applied as they are, as a list or by name.
        "manifests" manifests: ManifestForm,
        /// Local ports that lead to services and workloads.
        "forward" forward: Vec<Spanned<ForwardEntry>>,
        /// Which containers' logs are shown; `false` shows none.
        "logs" logs: LogForm,
        /// Which cluster is meant.
        "cluster" cluster: ClusterEntry,
        /// The repository prefix that images are pushed under; without it they are loaded into the nodes of a local cluster.
        "registry" registry: String,
        /// Registries, as `host` or `host:port`, that are spoken to without checking their certificates, and in the clear where they have none; those of this machine always are.
        "insecureRegistries" insecure_registries: Vec<Spanned<String>>,
        /// How images are called below `registry`: `path` (the default: `gcr.io/shop/api` as `shop/api`), `flat` (`gcr_io_shop_api`) or `whole` (`gcr.io/shop/api`).
        "registryNames" registry_names: String,
        /// Changes to all of the above by name, laid over it with `-p NAME`.
        "profiles" profiles: Named<ProfileEntry>,
    }

    /// An image, built from a Dockerfile or by a command.
    ImageEntry("an image") {
        /// The folder that the Dockerfile's `COPY` reads from; by default the project's.
        "context" context: String,
        /// The Dockerfile; by default `Dockerfile` in the context.
        "dockerfile" dockerfile: String,
        /// The stage to stop at.
        "target" target: String,
        /// Build arguments by name.
        "args" args: Named<Text>,
        /// Secrets that `RUN --mount=type=secret` may read; their content never gets into the image or its tag.
        "secrets" secrets: Vec<Spanned<SecretEntry>>,
        /// SSH agents that `RUN --mount=type=ssh` may use.
        "ssh" ssh: Vec<Spanned<SshForm>>,
        /// The platform to build for, such as `linux/arm64`; by default that of the cluster's nodes.
        "platform" platform: Platform,
        /// Images of this project that are built first; those named in `FROM` and `COPY --from` are found by themselves.
        "needs" needs: Vec<Spanned<String>>,
        /// Further build contexts by name: a folder, an image of this project, or `docker-image://` and a reference.
        "contexts" contexts: Named<Spanned<String>>,
        /// The network of `RUN` steps: `default`, `none` or `host`.
        "network" network: String,
        /// Further hosts for `RUN` steps, as `name:address`.
        "addHosts" add_hosts: Vec<Spanned<String>>,
        /// A shell command that builds the image named by `$IMAGE`, instead of a Dockerfile.
        "command" command: String,
        /// The folder that `command` runs in; by default the project's.
        "dir" dir: String,
        /// Globs below `dir` of the files that can change what `command` makes.
        "inputs" inputs: Vec<Spanned<String>>,
        /// Globs of files that are no inputs after all.
        "ignore" ignore: Vec<Spanned<String>>,
        /// Further environment variables of `command`; a value that is the name of an image in `needs` becomes its reference.
        "env" env: Named<Text>,
        /// A tag that the image gets beside the one of its content; `{git}`, `{time:2006-01-02}` and their like are filled in.
        "tag" tag: String,
        /// Commands on this machine before and after each build.
        "hooks" hooks: HooksEntry,
    }

    /// Commands around a build or a deploy.
    HooksEntry("`hooks`") {
        /// What runs before; when it fails, nothing else is done.
        "before" before: Vec<Spanned<HookEntry>>,
        /// What runs after it went well; after a deploy, once everything in it is ready.
        "after" after: Vec<Spanned<HookEntry>>,
    }

    /// A command around a build or a deploy.
    HookEntry("a hook") {
        /// Program and arguments.
        "command" command: Vec<Spanned<String>>,
        /// The folder that it runs in; by default the project's.
        "dir" dir: String,
        /// A glob of pods that it runs in, instead of on this machine.
        "pod" pod: String,
        /// A glob of containers that it runs in, instead of on this machine.
        "container" container: String,
    }

    /// A secret of a build: its id and where its content comes from.
    SecretEntry("a build secret") {
        /// What `RUN --mount=type=secret,id=…` calls it.
        "id" id: String,
        /// The file that holds it; `~` is the home folder.
        "file" file: String,
        /// The environment variable that holds it.
        "env" env: String,
    }

    /// An SSH agent of a build.
    SshEntry("an SSH agent") {
        /// What `RUN --mount=type=ssh,id=…` calls it; by default `default`.
        "id" id: String,
        /// The agent's socket; by default that of `SSH_AUTH_SOCK`.
        "socket" socket: String,
    }

    /// A Helm release.
    ReleaseEntry("a release") {
        /// The chart: a folder, a `.tgz`, an `oci://` address, or a name in `repo`.
        "chart" chart: String,
        /// The URL of the chart repository that `chart` is looked up in.
        "repo" repo: String,
        /// The version of a chart from a repository or an `oci://` address.
        "version" version: Text,
        /// Packs the chart with another version before it is installed.
        "package" package: PackageEntry,
        /// Values files, the last one wins.
        "values" values: Vec<Spanned<String>>,
        /// Values files over those; what is encrypted in them is decrypted by `helm secrets`.
        "secretValues" secret_values: Vec<Spanned<String>>,
        /// Single values over those of the files; a dot in a key leads into a map.
        "set" set: Named<Anything>,
        /// Values that hold parts of an image's reference: `{image:NAME}`, `{repository:NAME}`, `{tag:NAME}`, `{digest:NAME}`.
        "imageValues" image_values: Named<Text>,
        /// Further flags for Helm.
        "flags" flags: Vec<Spanned<String>>,
        /// Commands before and after each deploy.
        "hooks" hooks: HooksEntry,
        /// The namespace; by default the project's.
        "namespace" namespace: Namespace,
        /// When it counts as live; `false`: as soon as it is installed.
        "wait" wait: WaitForm,
        /// Releases that must be live before this one is installed.
        "after" after: Vec<Spanned<String>>,
        /// Roll back to the previous revision when the release does not become ready.
        "rollbackOnFailure" rollback_on_failure: bool,
        /// Do not install the chart's `crds` folder.
        "skipCrds" skip_crds: bool,
        /// Functions over all objects, in order: `set-namespace`, `set-labels`, `set-annotations`, `search-replace`, `set-enforcement-action`, `kubeval`.
        "functions" functions: Vec<Spanned<FunctionEntry>>,
        /// Which images are replaced in objects of a kind; in other kinds, all are.
        "imageRules" image_rules: Vec<Spanned<ImageRuleEntry>>,
    }

    /// With what a chart is packed.
    PackageEntry("`package`") {
        /// The chart's version.
        "version" version: Text,
        /// The version of what the chart installs.
        "appVersion" app_version: Text,
    }

    /// A function over the objects of a release.
    FunctionEntry("a function") {
        /// Which one, by its name in kpt's catalogue.
        "name" name: String,
        /// What it is given, such as the labels.
        "with" with: Named<Text>,
    }

    /// Which images are replaced in objects of one kind.
    ImageRuleEntry("an image rule") {
        /// The kind and its group, such as `Deployment.apps` or `Pod`.
        "kind" kind: String,
        /// Paths such as `.spec.template.spec.containers.image`, lists left out; none: no image is replaced.
        "paths" paths: Vec<Spanned<String>>,
    }

    /// When a release counts as live.
    WaitEntry("`wait`") {
        /// Wait until everything in it is ready.
        "ready" ready: bool,
        /// How long it may take to become ready, such as `90s` or `10m`.
        "timeout" timeout: Span,
    }

    /// A folder with a kustomization.
    KustomizeEntry("a kustomization") {
        /// The folder.
        "path" path: String,
        /// Flags for `kustomize build`.
        "flags" flags: Vec<Spanned<String>>,
        /// Commands before and after each deploy.
        "hooks" hooks: HooksEntry,
        /// The namespace of objects that name none; by default the project's.
        "namespace" namespace: Namespace,
        /// When it counts as live; `false`: as soon as it is applied.
        "wait" wait: WaitForm,
        /// Releases that must be live before this one is applied.
        "after" after: Vec<Spanned<String>>,
        /// Functions over all objects, in order: `set-namespace`, `set-labels`, `set-annotations`, `search-replace`, `set-enforcement-action`, `kubeval`.
        "functions" functions: Vec<Spanned<FunctionEntry>>,
        /// Which images are replaced in objects of a kind; in other kinds, all are.
        "imageRules" image_rules: Vec<Spanned<ImageRuleEntry>>,
        /// Values for places that a comment marks: `# from-param: ${NAME}` or `# kpt-set: ${NAME}`.
        "setters" setters: Named<Text>,
    }

    /// A set of manifests.
    ManifestEntry("a set of manifests") {
        /// Globs of YAML files.
        "files" files: Globs,
        /// Commands before and after each deploy.
        "hooks" hooks: HooksEntry,
        /// The namespace of objects that name none; by default the project's.
        "namespace" namespace: Namespace,
        /// When it counts as live; `false`: as soon as it is applied.
        "wait" wait: WaitForm,
        /// Releases that must be live before this one is applied.
        "after" after: Vec<Spanned<String>>,
        /// Functions over all objects, in order: `set-namespace`, `set-labels`, `set-annotations`, `search-replace`, `set-enforcement-action`, `kubeval`.
        "functions" functions: Vec<Spanned<FunctionEntry>>,
        /// Which images are replaced in objects of a kind; in other kinds, all are.
        "imageRules" image_rules: Vec<Spanned<ImageRuleEntry>>,
        /// Values for places that a comment marks: `# from-param: ${NAME}` or `# kpt-set: ${NAME}`.
        "setters" setters: Named<Text>,
    }

    /// A local port, in full.
    ForwardFull("a forward") {
        /// The service that it leads to.
        "service" service: String,
        /// The workload that it leads to, as `deployment/NAME`, `statefulset/NAME`, `daemonset/NAME`, `replicaset/NAME`, `job/NAME`, `cronjob/NAME` or `pod/NAME`.
        "workload" workload: String,
        /// The remote port, by number or name; by default the only one.
        "port" port: Text,
        /// The local port; by default the remote one, or the remote one and 8000 where that is below 1024.
        "local" local: Port,
        /// The local address that it is open on; by default `127.0.0.1`.
        "address" address: String,
        /// The namespace; by default the project's.
        "namespace" namespace: Namespace,
    }

    /// Which logs are shown.
    LogEntry("`logs`") {
        /// Globs of container names that are left out.
        "exclude" exclude: Vec<Spanned<String>>,
        /// What stands before each line: `workload` (the default), `container`, `podAndContainer`, `auto` or `none`.
        "prefix" prefix: String,
        /// Of lines that are JSON objects, the fields that are shown; by default such lines are shown as they are.
        "jsonFields" json_fields: Vec<Spanned<String>>,
    }

    /// Which cluster is meant.
    ClusterEntry("`cluster`") {
        /// The context of the kubeconfig; by default the current one.
        "context" context: ContextName,
        /// The namespace that releases go to unless they name one.
        "namespace" namespace: Namespace,
        /// Globs of contexts that may be used although they are not local.
        "allow" allow: Vec<Spanned<String>>,
    }

    /// Changes to the configuration: maps are merged deeply, anything else is replaced, `null` takes a key out.
    ProfileEntry("a profile") {
        /// Changes to `images`.
        "images" images: Anything,
        /// Changes to `releases`.
        "releases" releases: Anything,
        /// Changes to `kustomize`.
        "kustomize" kustomize: Anything,
        /// Changes to `manifests`.
        "manifests" manifests: Anything,
        /// Replaces `forward`.
        "forward" forward: Anything,
        /// Changes to `logs`.
        "logs" logs: Anything,
        /// Changes to `cluster`.
        "cluster" cluster: Anything,
        /// Replaces `registry`.
        "registry" registry: Anything,
        /// Replaces `insecureRegistries`.
        "insecureRegistries" insecure_registries: Anything,
        /// Replaces `registryNames`.
        "registryNames" registry_names: Anything,
    }
}
