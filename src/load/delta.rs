//! Writes into a node what it lacks of an image: layers, documents and, last of all, the record.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tonic::Status;

use crate::docker::{EngineImage, random_id};
use crate::model::{Digest, ImageRef};
use crate::oci::{self, Descriptor};

use super::containerd::{self, Containerd, Image};
use super::facade::Layer;
use super::traces::Traces;

/// A lease whose owner has died ends after this time; no load takes as long.
const LEASE: Duration = Duration::from_secs(900);

/// CRI looks after images that have this label as if it had pulled them.
const MANAGED: (&str, &str) = ("io.cri-containerd.image", "managed");

/// Records with this label are wharf's own.
pub(super) const MINE: (&str, &str) = ("dev.wharf/image", "loaded");

/// How many of the lowest layers of the chain the node has, unpacked.
///
/// Only unpacked layers count: a node may drop the content they came from at any time.
pub(super) async fn layers_there(node: &Containerd, chain: &[Digest]) -> Result<usize, Status> {
    for (index, chain_id) in chain.iter().enumerate().rev() {
        if node.has_snapshot(chain_id).await? {
            return Ok(index + 1);
        }
    }
    Ok(0)
}

/// An image on its way into a node.
pub(super) struct Delta<'a> {
    pub(super) name: &'a ImageRef,
    pub(super) image: &'a EngineImage,
    pub(super) chain: &'a [Digest],
    /// Layers by their uncompressed digests; at least what the node lacks.
    pub(super) layers: &'a BTreeMap<Digest, Layer>,
}

impl Delta<'_> {
    /// Writes what is missing above the `there` lowest layers; returns how many bytes that was.
    pub(super) async fn write(
        &self,
        node: &Containerd,
        there: usize,
        traces: &Traces,
    ) -> Result<u64, Status> {
        let lease = format!("wharf-{}", random_id());
        traces.will_lease(node, &lease);
        let expires = jiff::Timestamp::now() + LEASE;
        node.create_lease(&lease, &expires.to_string()).await?;
        let node = &node.leased(&lease);

        let mut descriptors = Vec::new();
        for (index, diff_id) in self.image.diff_ids.iter().enumerate() {
            descriptors.push(match self.layers.get(diff_id) {
                Some(layer) if index >= there => layer.descriptor.clone(),
                None if index >= there => {
                    return Err(Status::not_found(format!("layer {diff_id} did not come")));
                }
                // Never looked at again: the layer is there, unpacked.
                _ => {
                    let digest = diff_id.clone();
                    Descriptor { media_type: oci::LAYER, digest, size_bytes: 1 }
                }
            });
        }
        let image = self.image;
        let configuration =
            oci::configuration(&image.platform, &image.created, &image.config, &image.diff_ids);
        let manifest = oci::manifest(&configuration, &descriptors);
        let target = Descriptor::of(oci::MANIFEST, &manifest);

        let (contents, unpacked) = tokio::join!(
            self.write_contents(node, there, &descriptors, configuration, manifest),
            self.begin(node, there),
        );
        let sent_bytes = contents?;
        self.unpack(node, there, &descriptors, unpacked?).await?;
        let labels = [MANAGED, MINE].map(|(key, value)| (key.to_owned(), value.to_owned()));
        // Last: kubelet takes the image for present from here on.
        node.put_image(Image {
            name: self.name.without_digest().full(),
            labels: HashMap::from(labels),
            target: Some(message(&target)),
            updated_at: None,
        })
        .await?;
        Ok(sent_bytes)
    }

    /// Writes layers and documents, with labels by which containerd knows what needs what.
    async fn write_contents(
        &self,
        node: &Containerd,
        there: usize,
        descriptors: &[Descriptor],
        configuration: Vec<u8>,
        manifest: Vec<u8>,
    ) -> Result<u64, Status> {
        let mut of_manifest = HashMap::from([(
            "containerd.io/gc.ref.content.config".to_owned(),
            Digest::of(&configuration).to_string(),
        )]);
        let mut of_configuration = HashMap::new();
        if let Some(top) = self.chain.last() {
            let label = format!("containerd.io/gc.ref.snapshot.{}", node.snapshotter());
            of_configuration.insert(label, top.to_string());
        }
        let mut writes = Vec::new();
        for (index, descriptor) in descriptors.iter().enumerate().skip(there) {
            let diff_id = &self.image.diff_ids[index];
            let Some(layer) = self.layers.get(diff_id) else { continue };
            let label = ("containerd.io/uncompressed".to_owned(), diff_id.to_string());
            writes.push((layer.content.clone(), HashMap::from([label])));
            let label = format!("containerd.io/gc.ref.content.l.{index}");
            of_manifest.insert(label, descriptor.digest.to_string());
        }
        writes.push((Bytes::from(configuration), of_configuration));
        writes.push((Bytes::from(manifest), of_manifest));
        // The same content twice, such as two empty layers, is written once.
        let mut seen = std::collections::BTreeSet::new();
        writes.retain(|(content, _)| seen.insert(Digest::of(content)));
        let sent_bytes = writes.iter().map(|(content, _)| content.len() as u64).sum();
        let writes = writes.into_iter().map(|(content, labels)| async move {
            let digest = Digest::of(&content);
            node.write(content, &digest, labels).await
        });
        futures::future::try_join_all(writes).await?;
        Ok(sent_bytes)
    }

    /// Begins the lowest layer that is missing.
    async fn begin(&self, node: &Containerd, index: usize) -> Result<Option<Begun>, Status> {
        let Some(chain_id) = self.chain.get(index) else { return Ok(None) };
        let parent = index.checked_sub(1).and_then(|below| self.chain.get(below));
        let key = format!("extract-wharf-{} {chain_id}", random_id());
        match node.prepare(&key, parent, chain_id).await {
            Ok(mounts) => Ok(Some(Begun { key, mounts })),
            // Another load has just made it.
            Err(status) if containerd::is_already_there(&status) => Ok(None),
            Err(status) => Err(status),
        }
    }

    async fn unpack(
        &self,
        node: &Containerd,
        there: usize,
        descriptors: &[Descriptor],
        mut begun: Option<Begun>,
    ) -> Result<(), Status> {
        for (index, descriptor) in descriptors.iter().enumerate().skip(there) {
            if index > there {
                begun = self.begin(node, index).await?;
            }
            let Some(Begun { key, mounts }) = begun.take() else { continue };
            let applied = node.apply(message(descriptor), mounts).await?;
            let diff_id = &self.image.diff_ids[index];
            if applied != diff_id.as_str() {
                let why = format!("layer {diff_id} was unpacked as {applied}");
                return Err(Status::data_loss(why));
            }
            match node.commit(&key, &self.chain[index]).await {
                Err(status) if containerd::is_already_there(&status) => {
                    node.remove_snapshot(&key).await?;
                }
                committed => committed?,
            }
        }
        Ok(())
    }
}

/// A layer that is being unpacked.
struct Begun {
    key: String,
    mounts: Vec<containerd::Mount>,
}

fn message(descriptor: &Descriptor) -> containerd::Descriptor {
    containerd::Descriptor {
        media_type: descriptor.media_type.to_owned(),
        digest: descriptor.digest.to_string(),
        size: i64::try_from(descriptor.size_bytes).unwrap_or(i64::MAX),
    }
}
