//! Forwards: through rollouts, to pods that have just come, and when pods die.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wharf::model::{Forward, ForwardPort};
use wharf::observe::{self, OpenForward};
use wharf::report::{Report, Reporter};

use super::{Place, deployment, in_a_place, service, shell};

const SERVER: &str = r#"
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ["VERSION"] + "\n").encode() * (200000 if self.path == "/big" else 1)
        if self.path == "/slow": time.sleep(3)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"#;

fn server(version: &str) -> Value {
    let mut server = deployment(
        "web",
        1,
        json!({
            "image": "python:3.11-slim", "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", SERVER],
            "env": [{"name": "VERSION", "value": version}],
            "ports": [{"name": "http", "containerPort": 8000}],
            "readinessProbe": {"periodSeconds": 1, "httpGet": {"port": "http"}},
        }),
    );
    server["spec"]["strategy"] = json!({"type": "Recreate"});
    server
}

/// What is answered, as far as the answer itself says that it goes: a forward hears of the end of
/// a connection up to a second late, because containerd lets the other direction go on for so long.
async fn get(local: SocketAddr, path: &str) -> String {
    let mut connection = ask(local, path).await;
    let mut answer = String::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = connection.read(&mut buffer).await.unwrap();
        answer.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let whole = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
            let (_, length) = head.split_once("Content-Length: ")?;
            Some(body.len() == length.lines().next()?.parse::<usize>().ok()?)
        });
        if count == 0 || whole == Some(true) {
            return answer;
        }
    }
}

async fn ask(local: SocketAddr, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(local).await.unwrap();
    connection.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    // Half-closed: everything was said, and the answer is still to come.
    connection.shutdown().await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_forward_holds_connections_through_a_rollout_and_answers_half_closed_clients() {
    in_a_place("forward", |place| async move {
        let service = service(
            "web",
            json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}),
        );
        let (reporter, mut reports) = Reporter::channel();
        let forward = Forward {
            kind: "service".into(),
            name: "web".into(),
            namespace: None,
            port: None,
            local: Some(0),
            address: None,
        };
        place.settle(&[server("one"), service], 60).await.unwrap();
        let open = observe::open_forward(&place.scene, &forward, &place.namespace, &reporter, None)
            .await
            .unwrap();
        assert_eq!((open.target(), open.remote()), ("service/web", "80"));
        let began = Instant::now();
        assert!(get(open.local(), "/").await.ends_with("\r\n\r\none\n"));
        eprintln!("answered in {:?}", began.elapsed());
        let mut big = String::new();
        ask(open.local(), "/big").await.read_to_string(&mut big).await.unwrap();
        assert!(big.len() > 800_000, "{}", big.len());
        assert!(get(open.local(), "/slow").await.ends_with("one\n"));

        // Recreate: the old pod is gone before the new one is made.
        place.apply(&server("two")).await;
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..20 {
            answers.spawn(get(open.local(), "/"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let answers = answers.join_all().await;
        let of = |version: &str| answers.iter().filter(|answer| answer.ends_with(version)).count();
        assert_eq!(of("one\n") + of("two\n"), 20, "{answers:#?}");
        assert!(of("two\n") > 0, "{answers:#?}");
        assert_eq!(reports.try_recv(), None);

        let taken = Forward { local: Some(open.local().port()), ..forward };
        let error = observe::open_forward(&place.scene, &taken, &place.namespace, &reporter, None)
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with(&format!("(pid {})", std::process::id())), "{error}");
        let local = open.local();
        open.close().await;
        assert!(TcpStream::connect(local).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_forward_goes_to_a_new_pod_as_soon_as_it_answers() {
    in_a_place("early", |place| async move {
        let port = Some(ForwardPort::Name("http".into()));
        let forward = Forward {
            kind: "deployment".into(),
            name: "web".into(),
            namespace: None,
            port,
            local: Some(0), address: None,
        };
        let slow = |version: &str, probe: Value| {
            let mut server = server(version);
            server["spec"]["strategy"] = json!({"type": "RollingUpdate"});
            server["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe;
            server
        };
        place.settle(&[server("one")], 60).await.unwrap();
        let (reporter, _reports) = Reporter::channel();
        let open = observe::open_forward(&place.scene, &forward, &place.namespace, &reporter, None)
            .await
            .unwrap();
        let pods: Api<Pod> =
            Api::namespaced(place.client.clone(), place.namespace.as_str());
        let probes = [
            // Kubelet would not even look before the test's limit.
            json!({"initialDelaySeconds": 600, "httpGet": {"port": "http"}}),
            json!({"initialDelaySeconds": 600, "tcpSocket": {"port": 8000}}),
            json!({"initialDelaySeconds": 600, "exec": {"command": ["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 8000))"]}}),
        ];
        for (nth, probe) in probes.into_iter().enumerate() {
            let version = format!("early{nth}");
            place.apply(&slow(&version, probe)).await;
            loop {
                let answer = get(open.local(), "/").await;
                assert!(answer.starts_with("HTTP/1.0 200"), "nothing is refused in between: {answer}");
                if answer.ends_with(&format!("{version}\n")) {
                    break;
                }
                // On a busy machine nothing else would get on.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let pods = pods.list(&Default::default()).await.unwrap();
            let new = pods.iter().find(|pod| format!("{:?}", pod.spec).contains(&version)).unwrap();
            let conditions = new.status.as_ref().unwrap().conditions.iter().flatten();
            let ready = conditions.filter(|one| one.type_ == "Ready" && one.status == "True");
            assert_eq!(ready.count(), 0, "kubelet has not said so");
        }
        // A probe that fails keeps the forward away, though the port could be dialled.
        place.apply(&slow("never", json!({"httpGet": {"port": 8001}}))).await;
        for _ in 0..40 {
            let answer = get(open.local(), "/").await;
            assert!(answer.starts_with("HTTP/1.0 200") && !answer.ends_with("never\n"), "{answer}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        open.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_port_that_nothing_listens_on_is_told_once() {
    in_a_place("refused", |place| async move {
        place.settle(&[deployment("api", 1, shell("sleep 3600"))], 60).await.unwrap();
        let (reporter, mut reports) = Reporter::channel();
        let port = Some(ForwardPort::Number(9999));
        let forward = Forward { kind: "deployment".into(), name: "api".into(), namespace: None, port, local: Some(0), address: None };
        let open = observe::open_forward(&place.scene, &forward, &place.namespace, &reporter, None).await.unwrap();
        for _ in 0..2 {
            let end = ask(open.local(), "/").await.read(&mut [0]).await;
            assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        }
        let told = reports.try_recv();
        assert!(matches!(&told, Some(Report::Warning { text, .. }) if text.contains("nothing listens on port 9999")), "{told:?}");
        assert_eq!(reports.try_recv(), None);
    })
    .await;
}

/// Reads no more of a request than its first word, of which it keeps count, also over a restart.
const MORTAL: &str = r#"
import collections, os, pathlib, socket, threading, time
def serve(connection):
    word = connection.recv(6).decode().strip()
    if not word: return
    with open("/state/heard", "a") as heard: heard.write(word + "\n")
    if word == "stream":
        while True: connection.sendall(b"tick\n"); time.sleep(0.05)
    elif word == "wait": time.sleep(3600)
    elif word == "die": os._exit(1)
    elif word == "heard":
        heard = pathlib.Path("/state/heard").read_text().split()
        connection.sendall((os.uname().nodename + " " + " ".join(sorted(heard))).encode())
        connection.close()
server = socket.create_server(("", 8000))
while True: threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()
"#;

fn mortal() -> Value {
    let mut mortal = deployment(
        "web",
        1,
        json!({
            "image": "python:3.11-slim", "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", MORTAL],
            "ports": [{"containerPort": 8000}],
            "readinessProbe": {"periodSeconds": 1, "tcpSocket": {"port": 8000}},
            "volumeMounts": [{"name": "state", "mountPath": "/state"}],
        }),
    );
    mortal["spec"]["template"]["spec"]["volumes"] = json!([{"name": "state", "emptyDir": {}}]);
    mortal
}

/// Opens the only port of service `name`.
async fn open(place: &Place, name: &str, reporter: &Reporter) -> OpenForward {
    let forward = Forward {
        kind: "service".into(),
        name: name.into(),
        namespace: None,
        port: None,
        local: Some(0),
        address: None,
    };
    observe::open_forward(&place.scene, &forward, &place.namespace, reporter, None).await.unwrap()
}

async fn say(local: SocketAddr, words: &str) -> TcpStream {
    let mut connection = TcpStream::connect(local).await.unwrap();
    connection.write_all(words.as_bytes()).await.unwrap();
    connection
}

/// What comes until the connection is closed, which it is in order and in time.
async fn rest(mut connection: TcpStream) -> String {
    let mut rest = String::new();
    let read = connection.read_to_string(&mut rest);
    tokio::time::timeout(Duration::from_secs(90), read).await.expect("it is closed").unwrap();
    rest
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_pod_that_dies_ends_its_connections_and_new_ones_wait_for_the_next() {
    in_a_place("mortal", |place| async move {
        let service = |name: &str| {
            service(name, json!({"selector": {"app": name}, "ports": [{"port": 8000}]}))
        };
        place.settle(&[mortal(), service("web"), service("nobody")], 90).await.unwrap();

        // Behind this one there is no pod, for longer than connections are held.
        let (reporter, mut of_nobody) = Reporter::channel();
        let nobody = open(&place, "nobody", &reporter).await;
        let mut held = tokio::task::JoinSet::new();
        let began = Instant::now();
        let local = nobody.local();
        held.spawn(async move {
            let mut connection = say(local, "heard").await;
            let end = connection.read(&mut [0]).await.map_err(|error| error.kind());
            (end, began.elapsed())
        });

        let (reporter, mut reports) = Reporter::channel();
        let web = open(&place, "web", &reporter).await;
        let mut streaming = say(web.local(), "stream").await;
        let mut tick = [0; 5];
        streaming.read_exact(&mut tick).await.unwrap();
        let waiting = say(web.local(), "wait").await;
        // What the program has not read when it dies makes the kernel reset the connection.
        let unread = say(web.local(), "wait  and more that is never read").await;
        let heard = async || rest(say(web.local(), "heard").await).await;
        let before = loop {
            let answer = heard().await;
            if answer.matches("wait").count() == 2 {
                break answer;
            }
        };
        let dying = say(web.local(), "die").await;
        let ends = tokio::join!(rest(streaming), rest(waiting), rest(unread), rest(dying));
        assert!(ends.0.ends_with("tick\n"), "{}", ends.0);
        assert_eq!((ends.1.as_str(), ends.2.as_str(), ends.3.as_str()), ("", "", ""));

        // The same pod, after a restart: nothing was said to it twice.
        let after = heard().await;
        let times = |answer: &str, word: &str| answer.matches(word).count();
        assert_eq!(
            ["stream", "wait", "die"].map(|word| times(&after, word)),
            [1, 2, 1],
            "before: {before}; after: {after}"
        );
        assert_eq!(times(&after, "heard"), times(&before, "heard") + 1, "{after}");

        let pods: Api<Pod> = Api::namespaced(place.client.clone(), place.namespace.as_str());
        let first = after.split(' ').next().unwrap();
        pods.delete(first, &DeleteParams::default().grace_period(0)).await.unwrap();
        let next = loop {
            // It may live on for a moment.
            let answer = heard().await;
            if !answer.is_empty() && !answer.starts_with(first) {
                break answer;
            }
        };
        assert!(next.ends_with(" heard"), "another pod with nothing in its memory: {next}");
        while let Some(told) = reports.try_recv() {
            assert!(!format!("{told:?}").contains("closed"), "{told:?}");
        }

        let (end, held_for) = held.join_next().await.unwrap().unwrap();
        // Not an orderly end, which could pass for an empty answer.
        assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));
        assert!(held_for >= Duration::from_secs(29), "{held_for:?}");
        let told = of_nobody.try_recv();
        let expected = format!(
            "service/nobody has no ready pod: a connection to {local} was closed after 30 s"
        );
        assert!(
            matches!(&told, Some(Report::Warning { text, .. }) if *text == expected),
            "{told:?}"
        );
        // The listener stays, and what comes now is held again.
        assert!(TcpStream::connect(local).await.is_ok());
        nobody.close().await;
        web.close().await;
    })
    .await;
}
