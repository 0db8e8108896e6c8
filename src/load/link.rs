//! A held-open way to a node's containerd: a command in the node's container that passes bytes
//! between its stdin and stdout and containerd's socket.

use tokio::sync::OnceCell;
use tonic::Status;

use crate::docker::{Engine, Tasks};

use super::LoadError;
use super::containerd::Containerd;
use super::import;
use super::nodes::Node;

/// Passes bytes both ways until either side ends. Perl is in every Debian, hence in every kind
/// node; it is the fastest of what is there.
const PROXY: &str = r#"use IO::Socket::UNIX; use IO::Select;
my $s = IO::Socket::UNIX->new(Peer => shift) or die $!;
binmode STDIN; binmode STDOUT;
my $l = IO::Select->new(\*STDIN, $s);
my %to = (fileno(STDIN), $s, fileno($s), \*STDOUT);
L: while (my @ready = $l->can_read) {
  for my $f (@ready) {
    my $n = sysread($f, my $b, 262144);
    last L if !$n && $f == $s;
    if (!$n) { $l->remove($f); $s->shutdown(1); next }
    my $w = $to{fileno $f};
    my $p = 0;
    while ($p < $n) { my $k = syswrite($w, $b, $n - $p, $p); last L unless defined $k; $p += $k }
  }
}"#;

/// A link to one node. Dropping it ends the command in the node.
#[derive(Debug)]
pub(super) struct NodeLink {
    /// Good for asking what images there are.
    records: Containerd,
    /// Good for layers too; its one question more is asked when there are layers to bring.
    layers: OnceCell<Containerd>,
    _tasks: Tasks,
}

impl NodeLink {
    /// Opens a link to `node`.
    pub(super) async fn open(engine: &Engine, node: &Node) -> Result<Self, LoadError> {
        let tasks = Tasks::new();
        let command = ["perl", "-e", PROXY, node.socket];
        let exec = engine.open_exec(&node.id, &command).await?;
        let channel = tasks.client(exec).await.map_err(|error| LoadError::NoLink {
            node: node.name.clone(),
            why: error.to_string(),
        })?;
        Ok(Self { records: Containerd::new(channel), layers: OnceCell::new(), _tasks: tasks })
    }

    /// The node's containerd, for questions about images.
    pub(super) fn records(&self) -> &Containerd {
        &self.records
    }

    /// The node's containerd, for layers.
    pub(super) async fn layers(
        &self,
        engine: &Engine,
        node: &Node,
    ) -> Result<&Containerd, LoadError> {
        let ask = async || {
            Ok(match import::snapshotter(engine, node).await? {
                Some(snapshotter) => self.records.with_snapshotter(snapshotter),
                None => self.records.clone(),
            })
        };
        self.layers.get_or_try_init(ask).await
    }
}

/// Whether the link itself is at fault, so that a new one may help.
pub(super) fn is_broken(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::Unavailable | tonic::Code::Unknown)
        && !status.message().contains("locked")
}
