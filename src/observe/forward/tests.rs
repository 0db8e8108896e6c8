//! Choosing ports, carrying bytes, naming who holds a port.

#![expect(clippy::needless_pass_by_value, reason = "cases read better without `&`")]

use std::future::{pending, ready};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::busy;
use super::carry::{End, Sent, carry};
use super::target::{Target, local_port};
use crate::model::{Forward, ForwardPort, Namespace};

fn target(kind: &str, port: Option<ForwardPort>) -> Target {
    let forward = Forward {
        kind: kind.into(),
        name: "web".into(),
        namespace: None,
        port,
        local: None,
        address: None,
    };
    Target::of(&forward, &Namespace::parse("shop").unwrap())
}

fn service(ports: serde_json::Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": {"ports": ports}})).unwrap()
}

#[test]
fn a_port_of_a_service_leads_to_the_port_of_a_pod() {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "web-1"},
        "spec": {"containers": [{"name": "web", "ports": [{"name": "http", "containerPort": 3000}]}]},
    }))
    .unwrap();
    let check = |ports: serde_json::Value, port: Option<ForwardPort>, expected: &str| {
        let target = target("service", port);
        let service = service(ports);
        let found = target.service_port(&service).and_then(|port| target.pod_port(port, &pod));
        let found = found.map_or_else(
            |error| {
                let failure = error.failure();
                [vec![failure.what], failure.help].concat().join("; ")
            },
            |port| port.to_string(),
        );
        assert_eq!(found, expected);
    };
    let number = |number| Some(ForwardPort::Number(number));
    let name = |name: &str| Some(ForwardPort::Name(name.into()));
    let two =
        json!([{"name": "http", "port": 80, "targetPort": "http"}, {"name": "grpc", "port": 90}]);
    check(json!([{"port": 80, "targetPort": 8080}]), None, "8080");
    check(json!([{"port": 80}]), None, "80");
    check(json!([{"port": 80, "targetPort": "http"}]), None, "3000");
    check(two.clone(), name("http"), "3000");
    check(two.clone(), number(90), "90");
    check(
        two.clone(),
        None,
        "service/web has several ports: say which one; it has: 80 (http), 90 (grpc)",
    );
    check(two.clone(), number(81), "service/web has no port 81; it has: 80 (http), 90 (grpc)");
    check(two, name("htp"), "service/web has no port `htp`; it has: 80 (http), 90 (grpc)");
    check(json!([]), None, "service/web has no ports");
    check(
        json!([{"port": 80, "targetPort": "admin"}]),
        None,
        "service/web leads to port `admin`, which pod web-1 has not",
    );
}

#[test]
fn a_port_that_needs_no_privileges_stays_the_same() {
    assert_eq!([80, 443, 1023, 1024, 8080].map(local_port), [8080, 8443, 9023, 1024, 8080]);
}

#[test]
fn the_holder_of_a_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let holder = busy::holder(port);
    if cfg!(target_os = "linux") {
        assert!(holder.unwrap().ends_with(&format!("(pid {})", std::process::id())));
    }
    drop(listener);
    assert_eq!(busy::holder(port), None);
}

#[test]
fn only_listening_sockets_count() {
    let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1
";
    assert_eq!(busy::listening(table, 8080), ["4711"]);
}

/// A client, the tunnel that serves it, and the pod's end.
struct Carried {
    client: DuplexStream,
    pod: DuplexStream,
    tunnel: JoinSet<(End, Sent)>,
}

impl Carried {
    fn begin(sent: Sent, refusal: impl Future<Output = Option<String>> + Send + 'static) -> Self {
        Self::of(sent, refusal, true)
    }

    /// `is_gone` once it has closed its half.
    fn of(
        sent: Sent,
        refusal: impl Future<Output = Option<String>> + Send + 'static,
        is_gone: bool,
    ) -> Self {
        let (client, mut local) = duplex(64);
        let (remote, pod) = duplex(1024);
        let mut tunnel = JoinSet::new();
        tunnel.spawn(async move {
            let mut sent = sent;
            let end = carry(&mut local, remote, refusal, &mut sent, || is_gone).await;
            (end, sent)
        });
        Self { client, pod, tunnel }
    }

    async fn end(&mut self) -> End {
        self.tunnel.join_next().await.unwrap().unwrap().0
    }
}

#[tokio::test]
async fn a_client_that_half_closes_gets_its_whole_response() {
    let mut carried = Carried::begin(Sent::default(), pending());
    carried.client.write_all(b"GET /").await.unwrap();
    carried.client.shutdown().await.unwrap();
    let mut request = [0; 5];
    carried.pod.read_exact(&mut request).await.unwrap();
    let response = vec![7; 1_000_000];
    let (mut client, mut pod) = (carried.client, carried.pod);
    let (written, read) = tokio::join!(
        async {
            pod.write_all(&response).await.unwrap();
            drop(pod);
        },
        async {
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.unwrap();
            read
        }
    );
    assert_eq!((written, read.len()), ((), 1_000_000));
    assert_eq!(carried.tunnel.join_next().await.unwrap().unwrap().0, End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_went_away_does_not_keep_its_tunnel() {
    let mut carried = Carried::begin(Sent::default(), pending());
    let mut ping = [0; 4];
    carried.client.write_all(b"ping").await.unwrap();
    carried.pod.read_exact(&mut ping).await.unwrap();
    carried.pod.write_all(b"pong").await.unwrap();
    let mut pong = [0; 4];
    carried.client.read_exact(&mut pong).await.unwrap();
    carried.client.shutdown().await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(carried.end().await, End::Closed);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_after_half_closing_gets_the_rest_however_late() {
    let mut carried = Carried::of(Sent::default(), pending(), false);
    carried.client.shutdown().await.unwrap();
    for _ in 0..3 {
        carried.pod.write_all(b"row\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(200)).await;
    }
    drop(carried.pod);
    let mut rows = String::new();
    carried.client.read_to_string(&mut rows).await.unwrap();
    assert_eq!(rows, "row\nrow\nrow\n");
}

#[tokio::test]
async fn a_client_that_has_closed_its_half_is_told_from_one_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(own).await.unwrap();
    let (_accepted, address) = listener.accept().await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(busy::is_gone(address, own), !cfg!(target_os = "linux"));
    drop(client);
    assert!(busy::is_gone(address, own));
}

#[tokio::test]
async fn a_refused_connection_can_be_tried_again_without_loss() {
    let (word_tx, word_rx) = tokio::sync::oneshot::channel();
    let mut carried = Carried::begin(Sent::default(), async { word_rx.await.ok() });
    carried.client.write_all(b"GET /").await.unwrap();
    let mut request = [0; 5];
    carried.pod.read_exact(&mut request).await.unwrap();
    word_tx.send("connection refused".to_owned()).unwrap();
    let (end, sent) = carried.tunnel.join_next().await.unwrap().unwrap();
    assert_eq!(end, End::Refused("connection refused".into()));

    let mut again = Carried::begin(sent, ready(None));
    again.pod.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"GET /");
}

#[tokio::test]
async fn what_broke_after_an_answer_is_not_tried_again() {
    let (word_tx, word_rx) = tokio::sync::oneshot::channel();
    let mut carried = Carried::begin(Sent::default(), async { word_rx.await.ok() });
    carried.pod.write_all(b"220").await.unwrap();
    let mut greeting = [0; 3];
    carried.client.read_exact(&mut greeting).await.unwrap();
    word_tx.send("lost connection to pod".to_owned()).unwrap();
    assert_eq!(carried.end().await, End::Broken("lost connection to pod".into()));
}

#[tokio::test]
async fn what_a_program_may_have_heard_is_not_said_to_it_again() {
    let check = async |word: &str, expected: fn(String) -> End| {
        let (word_tx, word_rx) = tokio::sync::oneshot::channel();
        let mut carried = Carried::begin(Sent::default(), async { word_rx.await.ok() });
        carried.client.write_all(b"POST /").await.unwrap();
        let mut request = [0; 6];
        carried.pod.read_exact(&mut request).await.unwrap();
        word_tx.send(word.to_owned()).unwrap();
        assert_eq!(carried.end().await, expected(word.to_owned()));
    };
    check("read tcp4 127.0.0.1:40404->127.0.0.1:8000: read: connection reset by peer", End::Broken)
        .await;
    check("write tcp4 127.0.0.1:40404->127.0.0.1:8000: write: broken pipe", End::Broken).await;
    check("dial tcp4 127.0.0.1:8000: connect: connection refused", End::Refused).await;
    check("dial tcp4 127.0.0.1:8000: connect: connection timed out", End::Refused).await;
    check("network namespace for sandbox \"f00\" is closed", End::Refused).await;
}
