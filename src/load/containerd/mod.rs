//! The few calls of containerd's API that bring an image into a node.
//!
//! Messages are written by hand: their generators want a protobuf compiler where wharf is built.
//! <https://github.com/containerd/containerd/tree/main/api/services>. Containerd 1.6, 1.7 and 2.x
//! have them all.

mod client;
mod messages;

pub(super) use client::{Containerd, is_already_there, is_missing, is_out_of_space};
pub(super) use messages::{Descriptor, Image, Mount};
