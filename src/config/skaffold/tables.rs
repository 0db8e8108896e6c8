//! Every field of Skaffold's newest schema: what it looks like, and what becomes of it.

use super::fields::Fate::{self, Quiet, Refused, Told, Used};
use super::fields::Shape::{Any, Flag, List, Map, Number, Text, TextMap, Texts};
use super::fields::{Field, Table};

macro_rules! tables {
    ($( $name:ident($within:literal) { $( $key:literal: $shape:expr, $fate:expr; )* } )*) => {$(
        pub(super) static $name: Table = Table {
            within: $within,
            known: &[$($key),*],
            fields: &[$(Field { shape: $shape, fate: $fate }),*],
        };
    )*};
}

const PHASE_HOOKS: Fate = Refused(
    "wharf has no phases for all: give the hook to the artifact, or to `deploy.kubectl` or `deploy.helm`",
);
const FLAGS: Fate = Told("wharf applies through the API, so kubectl's flags have no effect");
const CLOUD: Fate = Told("images are built by the local Docker Engine");

tables! {
    CONFIG("a Skaffold configuration") {
        "apiVersion": Text, Used;
        "kind": Text, Used;
        "metadata": Map(&METADATA), Used;
        "requires": List(&REQUIRES), Used;
        "build": Map(&BUILD), Used;
        "test": List(&TEST), Used;
        "manifests": Map(&MANIFESTS), Used;
        "deploy": Map(&DEPLOY), Used;
        "portForward": List(&FORWARD), Used;
        "resourceSelector": Map(&SELECTOR), Used;
        "verify": List(&VERIFY), Used;
        "customActions": List(&ACTION), Used;
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
        "git": Map(&GIT), Used;
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
        "insecureRegistries": Texts, Used;
        "tagPolicy": Map(&TAG_POLICY), Used;
        "platforms": Texts, Used;
        "hooks": Any, PHASE_HOOKS;
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
        "gitCommit": Map(&GIT_COMMIT), Used;
        "sha256": Any, Used;
        "envTemplate": Map(&ENV_TEMPLATE), Used;
        "dateTime": Map(&DATE_TIME), Used;
        "customTemplate": Map(&CUSTOM_TEMPLATE), Used;
        "inputDigest": Any, Used;
    }
    CUSTOM_TEMPLATE("`customTemplate`") {
        "template": Text, Used;
        "components": List(&COMPONENT), Used;
    }
    COMPONENT("a component") {
        "name": Text, Used;
        "gitCommit": Map(&GIT_COMMIT), Used;
        "sha256": Any, Used;
        "envTemplate": Map(&ENV_TEMPLATE), Used;
        "dateTime": Map(&DATE_TIME), Used;
        "customTemplate": Any, Refused("a component is no template of components");
        "inputDigest": Any, Used;
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
        "hooks": Map(&HOOKS), Used;
        "docker": Map(&DOCKER), Used;
        "custom": Map(&CUSTOM), Used;
        "ko": Map(&KO), Used;
        "jib": Map(&JIB), Used;
        "buildpacks": Map(&BUILDPACKS), Used;
        "kaniko": Map(&KANIKO), Used;
        "bazel": Map(&BAZEL), Used;
    }
    HOOKS("`hooks`") {
        "before": List(&HOOK), Used;
        "after": List(&HOOK), Used;
    }
    HOOK("a hook") {
        "command": Texts, Used;
        "os": Texts, Used;
        "dir": Text, Used;
        "host": Map(&HOST_HOOK), Used;
        "container": Map(&CONTAINER_HOOK), Used;
    }
    HOST_HOOK("`host`") {
        "command": Texts, Used;
        "os": Texts, Used;
        "dir": Text, Used;
    }
    CONTAINER_HOOK("`container`") {
        "command": Texts, Used;
        "podName": Text, Used;
        "containerName": Text, Used;
    }
    KO("`ko`") {
        "fromImage": Text, Used;
        "dir": Text, Used;
        "main": Text, Used;
        "env": Texts, Used;
        "flags": Texts, Used;
        "labels": TextMap, Used;
        "ldflags": Texts, Used;
        "dependencies": Map(&PATHS), Used;
    }
    JIB("`jib`") {
        "project": Text, Used;
        "args": Texts, Used;
        "type": Text, Used;
        "fromImage": Text, Used;
    }
    BUILDPACKS("`buildpacks`") {
        "builder": Text, Used;
        "runImage": Text, Used;
        "env": Texts, Used;
        "buildpacks": Texts, Used;
        "trustBuilder": Flag, Used;
        "clearCache": Flag, Used;
        "projectDescriptor": Text, Used;
        "dependencies": Map(&PATHS), Used;
        "volumes": List(&VOLUME), Used;
        "network": Text, Used;
    }
    VOLUME("a volume") {
        "host": Text, Used;
        "target": Text, Used;
        "options": Text, Used;
    }
    PATHS("`dependencies`") {
        "paths": Texts, Used;
        "ignore": Texts, Used;
    }
    BAZEL("`bazel`") {
        "target": Text, Used;
        "args": Texts, Used;
        "platforms": List(&BAZEL_PLATFORM), Used;
    }
    BAZEL_PLATFORM("a platform") {
        "platform": Text, Used;
        "target": Text, Used;
    }
    KANIKO("`kaniko`") {
        "dockerfile": Text, Used;
        "target": Text, Used;
        "buildArgs": TextMap, Used;
        "cleanup": Flag, Quiet;
        "insecure": Flag, Quiet;
        "insecurePull": Flag, Quiet;
        "noPush": Flag, Quiet;
        "force": Flag, Quiet;
        "logTimestamp": Flag, Quiet;
        "reproducible": Flag, Quiet;
        "singleSnapshot": Flag, Quiet;
        "skipTLS": Flag, Quiet;
        "skipTLSVerifyPull": Flag, Quiet;
        "skipUnusedStages": Flag, Quiet;
        "useNewRun": Flag, Quiet;
        "whitelistVarRun": Flag, Quiet;
        "env": Any, Quiet;
        "cache": Any, Quiet;
        "registryCertificate": TextMap, Quiet;
        "label": TextMap, Told("images get the labels of their Dockerfile alone");
        "initImage": Text, Quiet;
        "image": Text, Quiet;
        "destination": Texts, Told("images get the names that `image` and the tag policy say");
        "digestFile": Text, Quiet;
        "imageFSExtractRetry": Text, Quiet;
        "imageNameWithDigestFile": Text, Quiet;
        "imageNameTagWithDigestFile": Text, Quiet;
        "logFormat": Text, Quiet;
        "ociLayoutPath": Text, Quiet;
        "pushRetry": Text, Quiet;
        "registryMirror": Text, Quiet;
        "snapshotMode": Text, Quiet;
        "tarPath": Text, Quiet;
        "verbosity": Text, Quiet;
        "volumeMounts": Any, Told("a build sees its context alone");
        "insecureRegistry": Texts, Quiet;
        "skipTLSVerifyRegistry": Texts, Quiet;
        "contextSubPath": Text, Used;
        "ignorePaths": Texts, Quiet;
        "imagePullSecret": Text, Quiet;
        "copyMaxRetries": Number, Quiet;
        "copyTimeout": Text, Quiet;
        "buildContextCompressionLevel": Number, Quiet;
        "imageDownloadRetry": Text, Quiet;
        "compressedCaching": Flag, Quiet;
        "ignoreVarRun": Flag, Quiet;
        "ignorePath": Texts, Quiet;
        "skipPushPermissionCheck": Flag, Quiet;
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
        "command": Text, Used;
    }
    DOCKERFILE_DEPENDENCY("`dependencies.dockerfile`") {
        "path": Text, Used;
        "buildArgs": TextMap, Used;
    }
    TEST("a test") {
        "image": Text, Used;
        "context": Text, Used;
        "custom": List(&CUSTOM_TEST), Used;
        "structureTests": Texts, Used;
        "structureTestsArgs": Texts, Used;
    }
    CUSTOM_TEST("a custom test") {
        "command": Text, Used;
        "timeoutSeconds": Number, Used;
        "dependencies": Any, Told("tests run after each build of their image, and a change of what else they depend on starts none");
    }
    MANIFESTS("`manifests`") {
        "rawYaml": Texts, Used;
        "remoteManifests": Any, Refused("wharf does not take objects out of the cluster: write them to a file");
        "kustomize": Map(&KUSTOMIZE), Used;
        "helm": Map(&HELM), Used;
        "kpt": Any, Refused("wharf does not render kpt packages: use `rawYaml` with their files");
        "transform": List(&FUNCTION), Used;
        "validate": List(&FUNCTION), Used;
        "hooks": Any, PHASE_HOOKS;
        "output": Text, Told("`wharf render` prints to stdout");
    }
    FUNCTION("a function") {
        "name": Text, Used;
        "configMap": Texts, Used;
    }
    KUSTOMIZE("`kustomize`") {
        "paths": Texts, Used;
        "buildArgs": Texts, Used;
    }
    HELM("`helm`") {
        "releases": List(&RELEASE), Used;
        "flags": Map(&HELM_FLAGS), Used;
        "hooks": Map(&HOOKS), Used;
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
        "useHelmSecrets": Flag, Used;
        "upgradeOnChange": Flag, Quiet;
        "packaged": Map(&PACKAGED), Used;
        "dependsOn": Texts, Used;
    }
    PACKAGED("`packaged`") {
        "version": Text, Used;
        "appVersion": Text, Used;
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
        "hooks": Map(&HOOKS), Used;
    }
    KUBECTL_FLAGS("`flags`") {
        "global": Texts, Used;
        "apply": Texts, Used;
        "delete": Texts, Used;
        "disableValidation": Flag, Used;
    }
    LOGS("`deploy.logs`") {
        "prefix": Text, Used;
        "jsonParse": Map(&JSON_PARSE), Used;
    }
    JSON_PARSE("`jsonParse`") {
        "fields": Texts, Used;
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
        "allow": List(&FILTER), Used;
        "deny": List(&FILTER), Used;
    }
    FILTER("a filter") {
        "groupKind": Text, Used;
        "image": Texts, Used;
        "labels": Texts, Quiet;
        "affinity": Texts, Quiet;
        "podSpec": Texts, Quiet;
    }
    VERIFY("a verification") {
        "name": Text, Used;
        "timeout": Number, Used;
        "container": Map(&CONTAINER), Used;
        "executionMode": Map(&MODE), Used;
    }
    CONTAINER("a container") {
        "name": Text, Used;
        "image": Text, Used;
        "command": Texts, Used;
        "args": Texts, Used;
        "env": List(&VARIABLE), Used;
    }
    VARIABLE("a variable") {
        "name": Text, Used;
        "value": Text, Used;
    }
    MODE("`executionMode`") {
        "local": Map(&LOCAL_MODE), Used;
        "kubernetesCluster": Map(&CLUSTER_MODE), Used;
    }
    LOCAL_MODE("`local`") {
        "useLocalImages": Flag, Quiet;
    }
    CLUSTER_MODE("`kubernetesCluster`") {
        "overrides": Text, Used;
        "jobManifestPath": Text, Used;
    }
    ACTION("a custom action") {
        "name": Text, Used;
        "containers": List(&CONTAINER), Used;
        "failFast": Flag, Used;
        "timeout": Number, Used;
        "executionMode": Map(&MODE), Used;
    }
}
