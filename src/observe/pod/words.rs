//! The words of kubelet and its tools, as much of them as a person needs.

/// Kubelet wraps the registry's answer several times; the answer is what a person needs.
pub(super) fn pullers_words(message: &str) -> String {
    let mut words = message.trim();
    for layer in ["ErrImagePull: ", "desc = "] {
        if let Some((_, rest)) = words.split_once(layer) {
            words = rest;
        }
    }
    let layers = [
        "failed to pull and unpack image ",
        "failed to resolve image",
        "failed to resolve reference ",
        "failed to pull image ",
    ];
    while let Some(rest) = layers.iter().find_map(|layer| words.strip_prefix(layer)) {
        let Some((_, rest)) = rest.split_once(": ") else { break };
        words = rest;
    }
    if let Some(short) = out_of_reach(words) {
        return short;
    }
    // What was not found is the image, which stands in front of this.
    if words.ends_with(": not found") {
        return "not found".to_owned();
    }
    one_line(if words.is_empty() { "no reason given" } else { words })
}

/// A request that got no answer, without its address, which the image's name says already:
/// `failed to do request: Head "https://HOST/…": dial tcp: lookup HOST on 10.0.0.1:53: no such host`.
fn out_of_reach(words: &str) -> Option<String> {
    let (_, rest) = words.strip_prefix("failed to do request: ")?.split_once("://")?;
    let (host, rest) = rest.split_once('/')?;
    let (_, why) = rest.split_once("\": ")?;
    let why = match why.strip_prefix("dial tcp: lookup ").and_then(|rest| rest.split_once(": ")) {
        Some((_, why)) => why,
        None => why,
    };
    Some(one_line(&format!("{host} is out of reach: {why}")))
}

/// The end of what the container runtime says: the layers it went through come first.
pub(super) fn runtimes_words(message: &str) -> String {
    let mut words = message.trim().trim_end_matches(": unknown");
    for layer in [
        "desc = ",
        "error during container init: ",
        "unable to start container process: ",
        "OCI runtime create failed: ",
    ] {
        if let Some((_, rest)) = words.rsplit_once(layer) {
            words = rest;
        }
    }
    one_line(if words.is_empty() { "no reason given" } else { words })
}

/// `MountVolume.SetUp failed for volume "cfg" : configmap "shop" not found`, from its colon on.
pub(super) fn mounters_words(message: &str) -> String {
    let words = match message.split_once(" : ") {
        Some((_, rest)) if message.starts_with("MountVolume") => rest,
        _ => message,
    };
    one_line(words)
}

/// A message as one line of bounded length.
pub(in crate::observe) fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
