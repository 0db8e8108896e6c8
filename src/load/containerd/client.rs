//! Containerd's client: one method for each call, in the namespace that kubelet looks into.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::model::Digest;

use super::messages::{
    Applied, Apply, COMMIT, CommitSnapshot, Containers, ContentInfo, CreateLease, DeleteLease,
    Descriptor, FieldMask, Filters, Image, ImageAnswer, Images, Mount, Mounts, Nothing, OneImage,
    OneSnapshot, PrepareSnapshot, PutImage, WRITE, WriteContent, Written,
};

/// The namespace of CRI.
const NAMESPACE: &str = "k8s.io";

/// What containerd uses where it says nothing else.
const USUAL_SNAPSHOTTER: &str = "overlayfs";

/// How much content goes into one message; containerd takes up to 16 MiB.
const MESSAGE_BYTES: usize = 1 << 20;

/// How long a call may take that only looks something up or writes a record.
const ASK_LIMIT: Duration = Duration::from_secs(20);

/// How long content may take to be written and synced, or a layer to be unpacked, on a busy disk.
const WORK_LIMIT: Duration = Duration::from_secs(600);

/// What is not referred to is removed when the lease is gone, or at this time at the latest.
const EXPIRES: &str = "containerd.io/gc.expire";

/// A node's containerd. Cloning is cheap.
#[derive(Debug, Clone)]
pub(in crate::load) struct Containerd {
    channel: Channel,
    snapshotter: String,
    lease: Option<String>,
}

/// Whether it is there already, which is as good as made.
pub(in crate::load) fn is_already_there(status: &Status) -> bool {
    status.code() == Code::AlreadyExists
}

/// Whether something that was asked for or built upon is not there.
pub(in crate::load) fn is_missing(status: &Status) -> bool {
    status.code() == Code::NotFound
}

/// Whether the node's disk is full.
pub(in crate::load) fn is_out_of_space(status: &Status) -> bool {
    status.message().contains("no space left on device")
}

impl Containerd {
    /// A client that takes the node's snapshotter to be the usual one.
    pub(in crate::load) fn new(channel: Channel) -> Self {
        Self { channel, snapshotter: USUAL_SNAPSHOTTER.to_owned(), lease: None }
    }

    /// The same, for a node that has been asked for its snapshotter.
    pub(in crate::load) fn with_snapshotter(&self, snapshotter: String) -> Self {
        Self { snapshotter, ..self.clone() }
    }

    /// The same, with everything it makes kept by `lease`.
    pub(in crate::load) fn leased(&self, lease: &str) -> Self {
        Self { lease: Some(lease.to_owned()), ..self.clone() }
    }

    pub(in crate::load) fn snapshotter(&self) -> &str {
        &self.snapshotter
    }

    async fn call<M, R>(&self, path: &'static str, message: M, limit: Duration) -> Result<R, Status>
    where
        M: prost::Message + 'static,
        R: prost::Message + Default + 'static,
    {
        let call = async {
            let mut grpc = Grpc::new(self.channel.clone());
            ready(&mut grpc).await?;
            let mut request = Request::new(message);
            self.address(request.metadata_mut());
            let codec = ProstCodec::<M, R>::default();
            let answer = grpc.unary(request, PathAndQuery::from_static(path), codec).await?;
            Ok(answer.into_inner())
        };
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Status::deadline_exceeded(format!("{path} took too long"))),
        }
    }

    /// Names the namespace and the lease.
    fn address(&self, metadata: &mut MetadataMap) {
        metadata.insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
        let lease = self.lease.as_ref().and_then(|lease| MetadataValue::try_from(lease).ok());
        if let Some(lease) = lease {
            metadata.insert("containerd-lease", lease);
        }
    }

    /// Makes a lease that ends by itself at `expires` (RFC 3339).
    pub(in crate::load) async fn create_lease(
        &self,
        id: &str,
        expires: &str,
    ) -> Result<(), Status> {
        let labels = HashMap::from([(EXPIRES.to_owned(), expires.to_owned())]);
        let message = CreateLease { id: id.to_owned(), labels };
        self.call("/containerd.services.leases.v1.Leases/Create", message, ASK_LIMIT)
            .await
            .map(|Nothing {}| ())
    }

    /// Ends a lease; with `sync`, what only it kept is gone when this returns.
    pub(in crate::load) async fn delete_lease(&self, id: &str, sync: bool) -> Result<(), Status> {
        let message = DeleteLease { id: id.to_owned(), sync };
        self.call("/containerd.services.leases.v1.Leases/Delete", message, ASK_LIMIT)
            .await
            .map(|Nothing {}| ())
    }

    /// Whether the node has this content.
    pub(in crate::load) async fn has_content(&self, digest: &str) -> Result<bool, Status> {
        let message = ContentInfo { digest: digest.to_owned() };
        let path = "/containerd.services.content.v1.Content/Info";
        found(self.call(path, message, ASK_LIMIT).await.map(|Nothing {}| ()))
    }

    /// Writes `content`, which is kept when its digest is `digest`.
    pub(in crate::load) async fn write(
        &self,
        content: Bytes,
        digest: &Digest,
        labels: HashMap<String, String>,
    ) -> Result<(), Status> {
        let write = async {
            let messages = messages(content, digest, labels, &self.ingest(digest));
            let mut grpc = Grpc::new(self.channel.clone());
            ready(&mut grpc).await?;
            let mut request = Request::new(futures::stream::iter(messages));
            self.address(request.metadata_mut());
            let path = PathAndQuery::from_static("/containerd.services.content.v1.Content/Write");
            let codec = ProstCodec::<WriteContent, Written>::default();
            let mut answers = grpc.streaming(request, path, codec).await?.into_inner();
            let mut committed = false;
            while let Some(answer) = answers.next().await {
                committed |= answer?.action == COMMIT;
            }
            if committed { Ok(()) } else { Err(Status::aborted("the write was not committed")) }
        };
        match tokio::time::timeout(WORK_LIMIT, write).await {
            Ok(Err(status)) if is_already_there(&status) => Ok(()),
            Ok(written) => written,
            Err(_) => Err(Status::deadline_exceeded("writing content took too long")),
        }
    }

    /// What a write in progress is called; two loads of the same content do not meet.
    fn ingest(&self, digest: &Digest) -> String {
        format!("{}-{digest}", self.lease.as_deref().unwrap_or("wharf"))
    }

    /// Whether the node has the layer that `chain_id` names, unpacked, with all below it.
    pub(in crate::load) async fn has_snapshot(&self, chain_id: &Digest) -> Result<bool, Status> {
        let message =
            OneSnapshot { snapshotter: self.snapshotter.clone(), key: chain_id.to_string() };
        let path = "/containerd.services.snapshots.v1.Snapshots/Stat";
        found(self.call(path, message, ASK_LIMIT).await.map(|Nothing {}| ()))
    }

    /// Begins a layer on top of `parent`; returns where it is to be unpacked.
    pub(in crate::load) async fn prepare(
        &self,
        key: &str,
        parent: Option<&Digest>,
        chain_id: &Digest,
    ) -> Result<Vec<Mount>, Status> {
        let label = ("containerd.io/snapshot.ref".to_owned(), chain_id.to_string());
        let message = PrepareSnapshot {
            snapshotter: self.snapshotter.clone(),
            key: key.to_owned(),
            parent: parent.map(ToString::to_string).unwrap_or_default(),
            labels: HashMap::from([label]),
        };
        let path = "/containerd.services.snapshots.v1.Snapshots/Prepare";
        let Mounts { mounts } = self.call(path, message, ASK_LIMIT).await?;
        Ok(mounts)
    }

    /// Unpacks the layer `diff` into `mounts`; returns the digest of what was unpacked.
    pub(in crate::load) async fn apply(
        &self,
        diff: Descriptor,
        mounts: Vec<Mount>,
    ) -> Result<String, Status> {
        let message = Apply { diff: Some(diff), mounts };
        let path = "/containerd.services.diff.v1.Diff/Apply";
        let Applied { applied } = self.call(path, message, WORK_LIMIT).await?;
        Ok(applied.unwrap_or_default().digest)
    }

    /// Ends a layer: from here on it is called `chain_id`.
    pub(in crate::load) async fn commit(&self, key: &str, chain_id: &Digest) -> Result<(), Status> {
        let message = CommitSnapshot {
            snapshotter: self.snapshotter.clone(),
            name: chain_id.to_string(),
            key: key.to_owned(),
        };
        let path = "/containerd.services.snapshots.v1.Snapshots/Commit";
        self.call(path, message, WORK_LIMIT).await.map(|Nothing {}| ())
    }

    /// Drops a layer that was begun.
    pub(in crate::load) async fn remove_snapshot(&self, key: &str) -> Result<(), Status> {
        let message = OneSnapshot { snapshotter: self.snapshotter.clone(), key: key.to_owned() };
        let path = "/containerd.services.snapshots.v1.Snapshots/Remove";
        self.call(path, message, ASK_LIMIT).await.map(|Nothing {}| ())
    }

    /// The image's record, if there is one.
    pub(in crate::load) async fn image(&self, name: &str) -> Result<Option<Image>, Status> {
        let message = OneImage { name: name.to_owned() };
        let path = "/containerd.services.images.v1.Images/Get";
        match self.call(path, message, ASK_LIMIT).await {
            Ok(ImageAnswer { image }) => Ok(image),
            Err(status) if is_missing(&status) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Makes the image's record say this, whether there was one or not.
    pub(in crate::load) async fn put_image(&self, image: Image) -> Result<(), Status> {
        let create = PutImage { image: Some(image.clone()), mask: None };
        let path = "/containerd.services.images.v1.Images/Create";
        match self.call(path, create, ASK_LIMIT).await.map(|Nothing {}| ()) {
            Err(status) if is_already_there(&status) => {}
            created => return created,
        }
        let paths = vec!["target".to_owned(), "labels".to_owned()];
        let update = PutImage { image: Some(image), mask: Some(FieldMask { paths }) };
        let path = "/containerd.services.images.v1.Images/Update";
        self.call(path, update, ASK_LIMIT).await.map(|Nothing {}| ())
    }

    /// Records of images that one of `filters` matches.
    pub(in crate::load) async fn images(&self, filters: Vec<String>) -> Result<Vec<Image>, Status> {
        let path = "/containerd.services.images.v1.Images/List";
        let Images { images } = self.call(path, Filters { filters }, ASK_LIMIT).await?;
        Ok(images)
    }

    /// Removes an image's record; what nothing else refers to is removed in time.
    pub(in crate::load) async fn delete_image(&self, name: &str) -> Result<(), Status> {
        let message = OneImage { name: name.to_owned() };
        let path = "/containerd.services.images.v1.Images/Delete";
        match self.call(path, message, ASK_LIMIT).await.map(|Nothing {}| ()) {
            Err(status) if is_missing(&status) => Ok(()),
            deleted => deleted,
        }
    }

    /// The images that containers were made of, by name.
    pub(in crate::load) async fn images_in_use(&self) -> Result<Vec<String>, Status> {
        let path = "/containerd.services.containers.v1.Containers/List";
        let Containers { containers } = self.call(path, Filters::default(), ASK_LIMIT).await?;
        Ok(containers.into_iter().map(|container| container.image).collect())
    }
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))
}

fn found(answer: Result<(), Status>) -> Result<bool, Status> {
    match answer {
        Ok(()) => Ok(true),
        Err(status) if is_missing(&status) => Ok(false),
        Err(status) => Err(status),
    }
}

/// Content in pieces, then the order to keep it.
fn messages(
    content: Bytes,
    digest: &Digest,
    labels: HashMap<String, String>,
    reference: &str,
) -> impl Iterator<Item = WriteContent> + Send + 'static {
    let total = i64::try_from(content.len()).unwrap_or(i64::MAX);
    let first = WriteContent {
        action: WRITE,
        reference: reference.to_owned(),
        total,
        expected: digest.to_string(),
        ..WriteContent::default()
    };
    let last = WriteContent { action: COMMIT, offset: total, labels, ..first.clone() };
    let starts = (0..content.len()).step_by(MESSAGE_BYTES);
    let writes = starts.map(move |start| WriteContent {
        offset: i64::try_from(start).unwrap_or(i64::MAX),
        data: content.slice(start..content.len().min(start + MESSAGE_BYTES)),
        ..first.clone()
    });
    writes.chain(std::iter::once(last))
}
