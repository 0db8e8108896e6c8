//! A pod's own probes, carried out through the API server.
//!
//! Kubelet looks once in a period and tells what it saw a while later; asking oneself shows the
//! moment at which a new pod answers. What a probe means is kubelet's to say:
//! <https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/>.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::target::Way;
use super::tunnel::Tunnels;
use crate::cluster;

/// How long one look may take, whatever the probe's own limit says: the next one is due soon.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// How long the word about a refused connection may take to come back.
const REFUSAL: Duration = Duration::from_millis(150);
/// A status line is shorter.
const STATUS_LINE: usize = 64;

/// What has to hold before a pod is said to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    act: Act,
    /// How often in a row it must hold.
    times: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    Http { port: u16, request: String },
    Connect { port: u16 },
    Run { container: String, command: Vec<String> },
}

/// Everything that must hold before `pod` serves `port`: its startup and readiness probes, and,
/// where none of them asks that port, a connection to it. `None` where a probe can only be carried
/// out by kubelet, whose word is waited for then.
pub(super) fn checks(pod: &Pod, port: u16) -> Option<Vec<Check>> {
    let spec = pod.spec.as_ref()?;
    // A further condition can only be met by whoever set it.
    if spec.readiness_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
        return None;
    }
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|one| one.restart_policy.as_deref() == Some("Always"));
    let mut checks = Vec::new();
    for container in sidecars.chain(&spec.containers) {
        for probe in [&container.startup_probe, &container.readiness_probe].into_iter().flatten() {
            checks.push(check(container, probe)?);
        }
    }
    let asked = checks.iter().any(|check| match &check.act {
        Act::Http { port: asked, .. } | Act::Connect { port: asked } => *asked == port,
        Act::Run { .. } => false,
    });
    if !asked {
        checks.push(Check { act: Act::Connect { port }, times: 1 });
    }
    Some(checks)
}

fn check(container: &Container, probe: &Probe) -> Option<Check> {
    let act = if let Some(http) = &probe.http_get {
        http_act(container, http)?
    } else if let Some(socket) = &probe.tcp_socket {
        if socket.host.is_some() {
            return None;
        }
        Act::Connect { port: number(container, &socket.port)? }
    } else {
        let command = probe.exec.as_ref()?.command.clone().filter(|words| !words.is_empty())?;
        Act::Run { container: container.name.clone(), command }
    };
    let times = probe.success_threshold.and_then(|times| u32::try_from(times).ok()).unwrap_or(1);
    Some(Check { act, times: times.max(1) })
}

fn http_act(container: &Container, http: &HTTPGetAction) -> Option<Act> {
    // Another host is reached from the node, and kubelet trusts any certificate.
    let is_plain = http.scheme.as_deref().is_none_or(|scheme| scheme == "HTTP");
    if http.host.is_some() || !is_plain {
        return None;
    }
    let port = number(container, &http.port)?;
    let path = http.path.as_deref().unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let headers = http.http_headers.iter().flatten();
    let has = |name: &str| headers.clone().any(|one| one.name.eq_ignore_ascii_case(name));
    let mut request = format!("GET {slash}{path} HTTP/1.1\r\n");
    for (name, value) in
        [("Host", "localhost"), ("User-Agent", "kube-probe/1.0"), ("Accept", "*/*")]
    {
        if !has(name) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    for header in headers.clone() {
        request.push_str(&format!("{}: {}\r\n", header.name, header.value));
    }
    request.push_str("Connection: close\r\n\r\n");
    Some(Act::Http { port, request })
}

fn number(container: &Container, port: &IntOrString) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            match ports.find(|port| port.name.as_ref() == Some(name)) {
                Some(port) => port.container_port,
                None => name.parse().ok()?,
            }
        }
    };
    u16::try_from(number).ok()
}

impl Check {
    /// Whether it holds now.
    pub(super) async fn holds(&self, tunnels: &Tunnels, way: &Way) -> bool {
        for _ in 0..self.times {
            if !timeout(LOOK_LIMIT, self.look(tunnels, way)).await.unwrap_or(false) {
                return false;
            }
        }
        true
    }

    async fn look(&self, tunnels: &Tunnels, way: &Way) -> bool {
        match &self.act {
            Act::Connect { port } => match tunnels.open(&way.pod, &way.uid, *port).await {
                Ok(tunnel) => tunnel.accepted(REFUSAL).await,
                Err(_) => false,
            },
            Act::Http { port, request } => match tunnels.open(&way.pod, &way.uid, *port).await {
                Ok(tunnel) => tunnel.welcomes(request).await,
                Err(_) => false,
            },
            Act::Run { container, command } => {
                let ran = cluster::exec(&tunnels.pods(), &way.pod, container, command).await;
                ran.is_ok_and(|ran| ran.success)
            }
        }
    }
}

/// Whether an HTTP server answers `request` with 200 to 399, which is what kubelet takes for yes.
pub(super) async fn is_welcome<S>(stream: &mut S, request: &str) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut head = Vec::new();
    let mut bytes = [0; STATUS_LINE];
    while head.len() < "HTTP/1.1 200".len() {
        match stream.read(&mut bytes).await {
            Ok(count) if count > 0 => head.extend_from_slice(&bytes[..count]),
            _ => return false,
        }
    }
    let mut words = head.split(|byte| *byte == b' ');
    let is_http = words.next().is_some_and(|word| word.starts_with(b"HTTP/"));
    let status = words.next().and_then(|word| std::str::from_utf8(word.get(..3)?).ok());
    let status = status.and_then(|word| word.parse::<u16>().ok());
    is_http && status.is_some_and(|status| (200..400).contains(&status))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::duplex;

    use super::*;

    fn said(spec: &serde_json::Value, port: u16) -> Option<String> {
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        let said = checks(&pod, port)?.into_iter().map(|check| {
            let act = match check.act {
                Act::Http { port, request } => {
                    let head = request.trim_end().replace("\r\n", "; ");
                    format!("{port} {head}")
                }
                Act::Connect { port } => format!("connect {port}"),
                Act::Run { container, command } => format!("{container}: {}", command.join(" ")),
            };
            format!("{act} x{}", check.times)
        });
        Some(said.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_pod_is_asked_what_kubelet_would_ask_it() {
        let http = json!({"httpGet": {"path": "/ready", "port": "http"}, "successThreshold": 2});
        let ports = json!([{"name": "http", "containerPort": 3000}]);
        let pod = json!({"containers": [
            {"name": "web", "ports": ports, "readinessProbe": http, "startupProbe": {"tcpSocket": {"port": 3000}}},
            {"name": "side", "readinessProbe": {"exec": {"command": ["test", "-e", "/ready"]}}},
        ]});
        let request = "GET /ready HTTP/1.1; Host: localhost; User-Agent: kube-probe/1.0; Accept: */*; Connection: close";
        let expected = format!("connect 3000 x1\n3000 {request} x2\nside: test -e /ready x1");
        assert_eq!(said(&pod, 3000), Some(expected.clone()));
        // Probes that ask another port say nothing of this one.
        assert_eq!(said(&pod, 9000), Some(format!("{expected}\nconnect 9000 x1")));
        assert_eq!(
            said(&json!({"containers": [{"name": "web"}]}), 80),
            Some("connect 80 x1".into())
        );
    }

    #[test]
    fn headers_of_a_probe_replace_the_usual_ones() {
        let headers = json!([{"name": "host", "value": "shop"}, {"name": "X-A", "value": "b"}]);
        let probe = json!({"httpGet": {"path": "up", "port": 80, "httpHeaders": headers}});
        let said = said(&json!({"containers": [{"name": "web", "readinessProbe": probe}]}), 80);
        let request = "GET /up HTTP/1.1; User-Agent: kube-probe/1.0; Accept: */*; host: shop; X-A: b; Connection: close";
        assert_eq!(said, Some(format!("80 {request} x1")));
    }

    #[test]
    fn what_only_kubelet_can_ask_is_left_to_it() {
        let with = |probe: serde_json::Value| {
            said(&json!({"containers": [{"name": "web", "readinessProbe": probe}]}), 80)
        };
        assert_eq!(with(json!({"httpGet": {"port": 80, "scheme": "HTTPS"}})), None);
        assert_eq!(with(json!({"httpGet": {"port": 80, "host": "10.0.0.1"}})), None);
        assert_eq!(with(json!({"tcpSocket": {"port": "absent"}})), None);
        assert_eq!(with(json!({"grpc": {"port": 80}})), None);
        let gated =
            json!({"containers": [{"name": "web"}], "readinessGates": [{"conditionType": "a/b"}]});
        assert_eq!(said(&gated, 80), None);
    }

    #[tokio::test]
    async fn an_answer_from_200_to_399_is_a_yes() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.0 302 Found\r\n", true),
            ("HTTP/1.1 204\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n", false),
            ("HTTP/1.1 503 Service Unavailable\r\n", false),
            ("SSH-2.0-OpenSSH_9.2p1\r\n", false),
            ("", false),
        ] {
            let (mut wharf, mut server) = duplex(1024);
            server.write_all(answer.as_bytes()).await.unwrap();
            server.shutdown().await.unwrap();
            assert_eq!(
                is_welcome(&mut wharf, "GET / HTTP/1.1\r\n\r\n").await,
                expected,
                "{answer}"
            );
        }
    }
}
