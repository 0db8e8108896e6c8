//! wharf: the Kubernetes inner loop. Save a file, and the change runs in the cluster.
//!
//! # The map
//!
//! Floors, from the top; an import may only point to a lower one, and rooms on the same floor do
//! not import each other (`tests/tidy.rs` keeps that).
//!
//! ```text
//! 11 cli/       one file per subcommand: flags, help text, flags → options; no logic
//! 10 ui/        the only room that prints: Report → terminal text or JSON lines
//! 9  bench/     real edits in a session of its own, and how long each stage takes
//! 8  engine/    the loop: session (pure) and driver; `build`, `render`, `deploy`, `run` are the
//!               same loop with a goal that is reached
//!    ops/       commands that are not the loop: delete logs status init doctor config
//! 7  cleanup/   the journal on disk; running Undo steps newest first; leftovers
//!    timeline/  the last rounds stage by stage: kept, summed up, drawn
//! 6  watch/     file events → debounced ChangeSet
//!    build/     context files → content hash → BuildKit, the classic builder, the user's command
//!    load/      image → nodes of kind or k3d
//!    push/      image → registry
//!    render/    image references → Helm values, kustomize, raw YAML → manifests
//!    deploy/    helm upgrade --install, server-side apply, prune, the record in the cluster
//!    observe/   settling, port forwards, logs, crashes: what runs, made visible
//! 5  cluster/   kube context, client, pinned identity; which kind of cluster this is
//! 4  config/    wharf.yaml, skaffold.yaml or plain folders → validated Project, errors with positions
//!    graph/     Project → order of artifacts and releases; what a changed path affects
//! 3  docker/    the Engine: endpoint and context, credentials, client
//!    oci/       chain IDs, manifests, configurations
//!    dockerfile/ instructions, stages, what a build can see; .dockerignore
//! 2  tools/     run helm, kind, kubectl: process group, time limit, captured output
//!    files/     walking with ignore rules, stat cache, atomic writes, state directory
//!    download/  what stands at an address of the web
//! 1  report/    what can be told: Report, Failure, Reporter (a channel end)
//! 0  model/     the nouns: Project, names, hashes, releases, forwards, Undo
//! ```
//!
//! # Invariants
//!
//! - `model`, `report`, `graph` and the session do no I/O; `config` reads the disk in `load`, `infer`
//!   and what else asks for a file, and for a `skaffold.yaml` runs what its templates and remote
//!   parts name.
//! - Only `ui` prints; only `cli` reads the environment; only `tools` starts processes.
//! - Nothing outside the process is made before its `Undo` is on disk.
//! - A failure in the loop never ends it: it becomes state, and the next save tries again.
//!
//! Start reading at `engine/session.rs`.

pub mod bench;
pub mod build;
pub mod cleanup;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod deploy;
pub mod docker;
pub mod dockerfile;
pub mod download;
pub mod engine;
pub mod files;
pub mod graph;
pub mod load;
pub mod model;
pub mod observe;
pub mod oci;
pub mod ops;
pub mod push;
pub mod render;
pub mod report;
pub mod timeline;
pub mod tools;
pub mod ui;
pub mod watch;
