//! Chain IDs and documents as the specification has them.

use super::*;
use crate::model::Platform;

fn digest(digit: char) -> Digest {
    Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
}

#[test]
fn a_chain_id_covers_all_layers_below() {
    let (a, b, c) = (digest('a'), digest('b'), digest('c'));
    let ab = Digest::of(format!("{a} {b}").as_bytes());
    let abc = Digest::of(format!("{ab} {c}").as_bytes());
    assert_eq!(chain_ids(&[a.clone(), b, c]), [a, ab, abc]);
    assert_eq!(chain_ids(&[]), []);
}

#[test]
fn documents_name_each_other() {
    let platform = Platform::parse("linux/arm/v7").unwrap();
    let config = serde_json::json!({"Cmd": ["x"]});
    let bytes = configuration(&platform, "", &config, &[digest('a')]);
    let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read["variant"], "v7");
    assert_eq!(read["rootfs"]["diff_ids"][0], digest('a').as_str());
    let layer = Descriptor { media_type: LAYER, digest: digest('a'), size_bytes: 3 };
    let read: serde_json::Value = serde_json::from_slice(&manifest(&bytes, &[layer])).unwrap();
    assert_eq!(read["config"]["digest"], Digest::of(&bytes).as_str());
    assert_eq!(read["layers"][0]["size"], 3);
}
