//! What goes into one build, read once: the builders send exactly this, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{ArtifactName, BuildSecret, ContentHash, Platform, SshAgent};

use super::why::InputsDigest;

/// Everything that one build of an artifact is made from, and its hash.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildInputs {
    /// Which image.
    pub artifact: ArtifactName,
    /// SHA-256 over everything that can change the image; its tag follows from it.
    pub hash: ContentHash,
    /// How it is built, and from what.
    pub kind: InputsKind,
    /// The hashed parts by name, to say later which of them differs.
    pub digest: InputsDigest,
    /// The folder that its files lie in, relative to the project's; empty for the same. Only told
    /// to persons.
    pub shown_folder: String,
}

impl BuildInputs {
    /// The bytes of all files that the build may ask for.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let InputsKind::Docker(inputs) = &self.kind else { return 0 };
        let named = inputs.named.values().filter_map(|named| match named {
            NamedInputs::Folder { entries, .. } => Some(entries),
            NamedInputs::Image(_) => None,
        });
        std::iter::once(&inputs.entries)
            .chain(named)
            .flat_map(|entries| entries.iter())
            .map(|entry| match entry.kind {
                EntryKind::File { size_bytes, .. } => size_bytes,
                EntryKind::Directory | EntryKind::Symlink { .. } => 0,
            })
            .sum()
    }
}

/// The inputs of each sort of builder.
#[derive(Debug, Clone, PartialEq)]
pub enum InputsKind {
    /// A Dockerfile build.
    Docker(Box<DockerInputs>),
    /// The user's own command.
    Command(CommandInputs),
}

/// The inputs of a Dockerfile build.
#[derive(Debug, Clone, PartialEq)]
pub struct DockerInputs {
    /// The context's folder, absolute; file contents are read from here.
    pub context: PathBuf,
    /// What the Dockerfile can see of the context: after `.dockerignore`, narrowed to what its
    /// instructions read, each entry's parent folders included. In [`Entry::order`], no path
    /// twice. The root itself is not among them.
    pub entries: Arc<Vec<Entry>>,
    /// `--build-context`s by name. Those of the project's own images and those of external ones
    /// are images that exist in the Engine or a registry.
    pub named: BTreeMap<String, NamedInputs>,
    /// The Dockerfile's file name, without folders.
    pub dockerfile_name: String,
    /// The Dockerfile as it is sent: base images pinned, the project's own images replaced by
    /// what was built of them, lines where they were.
    pub dockerfile_text: Vec<u8>,
    /// The ignore file in force, whichever of the two it was; send it as
    /// `<dockerfile_name>.dockerignore` beside the Dockerfile, which takes precedence.
    pub dockerignore: Option<Vec<u8>>,
    /// The stage to stop at.
    pub target: Option<String>,
    /// `--build-arg`s.
    pub args: BTreeMap<String, String>,
    /// What the image is built for.
    pub platform: Platform,
    /// `--secret`s.
    pub secrets: Vec<BuildSecret>,
    /// `--ssh`s.
    pub ssh: Vec<SshAgent>,
    /// The network of RUN steps.
    pub network: Option<String>,
    /// `host:address` pairs.
    pub add_hosts: Vec<String>,
    /// Base images that lie in the Engine. Their references cannot be pinned in `FROM`, so the
    /// build looks again, when it has ended, whether they still mean what was hashed.
    pub local_bases: Vec<LocalBase>,
}

/// A base image in the Engine, as it was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBase {
    /// As [`DockerInputs::dockerfile_text`] has it.
    pub reference: String,
    /// What it is for, which need not be what the image is built for.
    pub platform: Platform,
    /// [`crate::docker::BaseImage::identity`].
    pub identity: String,
}

/// A further build context.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedInputs {
    /// A folder.
    Folder {
        /// Absolute.
        path: PathBuf,
        /// What the Dockerfile takes of it after its own `.dockerignore`, in [`Entry::order`].
        entries: Arc<Vec<Entry>>,
    },
    /// An image, as the Engine or a registry knows it: pinned as far as that is possible.
    Image(String),
}

/// The inputs of a build by the user's own command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandInputs {
    /// Run by `sh -c`.
    pub command: String,
    /// The folder it runs in, absolute.
    pub dir: PathBuf,
    /// Further variables, images of the project as their references.
    pub env: BTreeMap<String, String>,
    /// What the image is to be built for.
    pub platform: Platform,
}

/// A file, folder or link that a build can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the context, `/`-separated, without leading or trailing slash.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, `& 0o7755`: exactly these are sent and hashed. Group and others' write
    /// permission differs by umask between machines, which must not change a tag.
    pub mode: u32,
    /// Modification time in nanoseconds since 1970, as the file system has it. Not hashed.
    pub mtime_ns: i64,
}

/// What an [`Entry`] is. Sockets, pipes and devices are never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// SHA-256 of its content.
        sha256: [u8; 32],
        /// Its length.
        size_bytes: u64,
    },
    /// A folder, empty or not.
    Directory,
    /// A symbolic link; it is not followed.
    Symlink {
        /// As it is written in the link.
        target: String,
    },
}

impl Entry {
    /// The order in which BuildKit's file transfer wants its entries: by path components, so that
    /// a folder comes right before what it holds (`a`, `a/b`, `a.txt`).
    ///
    /// <https://github.com/tonistiigi/fsutil/blob/master/validator.go>
    #[must_use]
    pub fn order(left: &str, right: &str) -> std::cmp::Ordering {
        // `/` sorts before every other byte that a name can have.
        let key = |byte: u8| if byte == b'/' { 0 } else { byte };
        left.bytes().map(key).cmp(right.bytes().map(key))
    }
}
