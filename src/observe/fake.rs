//! An API server in the process: lists, watches and logs over objects that a test writes.
//!
//! A watch is answered as soon as there is something to tell, and ends with it, so that every
//! test also is one of taking a watch up again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The objects of a cluster, as a test writes them.
#[derive(Clone)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// By path of the collection, such as `/api/v1/namespaces/shop/pods`, and name.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    /// What happened: version, path of the collection, watch event.
    history: Vec<(u64, String, Value)>,
    /// By path of the pod, container and whether it is that of the run before.
    logs: BTreeMap<(String, String, bool), String>,
    /// Paths that are answered with 403.
    forbidden: Vec<String>,
    /// `METHOD path?query` of every request.
    asked: Vec<String>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self { state: Arc::default(), version: watch::channel(100).0 }
    }

    /// A client of this cluster.
    pub(super) fn client(&self) -> Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request.uri()).await) }
        });
        Client::new(service, "shop")
    }

    /// Writes `object`, new or not.
    pub(super) fn put(&self, mut object: Value) {
        let version = *self.version.borrow() + 1;
        let path = collection(&object);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{name}"));
        }
        {
            let mut state = self.state.lock().unwrap();
            let objects = state.objects.entry(path.clone()).or_default();
            let sort =
                if objects.insert(name, object.clone()).is_some() { "MODIFIED" } else { "ADDED" };
            state.history.push((version, path, json!({"type": sort, "object": object})));
        }
        self.version.send_replace(version);
    }

    /// Deletes the object that `object` names.
    pub(super) fn delete(&self, object: &Value) {
        let version = *self.version.borrow() + 1;
        let path = collection(object);
        {
            let mut state = self.state.lock().unwrap();
            let name = object["metadata"]["name"].as_str().unwrap();
            let mut object = state.objects.get_mut(&path).unwrap().remove(name).unwrap();
            object["metadata"]["resourceVersion"] = json!(version.to_string());
            state.history.push((version, path, json!({"type": "DELETED", "object": object})));
        }
        self.version.send_replace(version);
    }

    /// Sets the log of a container, each line with its stamp.
    pub(super) fn log(&self, pod: &str, container: &str, previous: bool, text: &str) {
        let path = format!("/api/v1/namespaces/shop/pods/{pod}/log");
        let key = (path, container.to_owned(), previous);
        self.state.lock().unwrap().logs.insert(key, text.to_owned());
    }

    /// Answers requests for `path` with 403 from here on.
    pub(super) fn forbid(&self, path: &str) {
        self.state.lock().unwrap().forbidden.push(path.to_owned());
    }

    /// How many requests contained `text` so far.
    pub(super) fn asked(&self, text: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|request| request.contains(text)).count()
    }

    async fn answer(&self, uri: &http::Uri) -> Response<Full<Bytes>> {
        let path = uri.path().to_owned();
        let query: BTreeMap<String, String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.replace("%3A", ":")))
            .collect();
        {
            let mut state = self.state.lock().unwrap();
            state.asked.push(uri.to_string());
            if state.forbidden.contains(&path) {
                return refusal(StatusCode::FORBIDDEN, "pods is forbidden: not today");
            }
        }
        if path.ends_with("/log") {
            return self.read_log(path, &query);
        }
        if query.get("watch").is_some_and(|watch| watch == "true") {
            let from = query["resourceVersion"].parse().unwrap();
            return self.watch(&path, from).await;
        }
        let state = self.state.lock().unwrap();
        let items: Vec<_> =
            state.objects.get(&path).into_iter().flatten().map(|(_, o)| o).collect();
        let version = self.version.borrow().to_string();
        let list = json!({"metadata": {"resourceVersion": version}, "items": items});
        Response::new(Full::from(list.to_string()))
    }

    async fn watch(&self, path: &str, from: u64) -> Response<Full<Bytes>> {
        let mut version = self.version.subscribe();
        loop {
            version.borrow_and_update();
            let lines: String = {
                let state = self.state.lock().unwrap();
                let news = state.history.iter().filter(|(at, of, _)| *at > from && of == path);
                news.map(|(_, _, event)| format!("{event}\n")).collect()
            };
            if !lines.is_empty() {
                return Response::new(Full::from(lines));
            }
            version.changed().await.unwrap();
        }
    }

    fn read_log(&self, path: String, query: &BTreeMap<String, String>) -> Response<Full<Bytes>> {
        let container = query.get("container").cloned().unwrap_or_default();
        let previous = query.get("previous").is_some_and(|previous| previous == "true");
        let state = self.state.lock().unwrap();
        let Some(log) = state.logs.get(&(path, container, previous)) else {
            return refusal(StatusCode::BAD_REQUEST, "container is waiting to start");
        };
        let since = query.get("sinceTime").map_or("", String::as_str).trim_end_matches('Z');
        let stamps = query.contains_key("timestamps");
        let lines: String = log
            .lines()
            .filter(|line| *line >= since)
            .map(|line| if stamps { line } else { line.split_once(' ').unwrap().1 })
            .map(|line| format!("{line}\n"))
            .collect();
        Response::new(Full::from(lines))
    }
}

fn refusal(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let body = json!({"kind": "Status", "status": "Failure", "code": status.as_u16(), "message": message, "reason": "No"});
    Response::builder().status(status).body(Full::from(body.to_string())).unwrap()
}

fn collection(object: &Value) -> String {
    let api_version = object["apiVersion"].as_str().unwrap();
    let root = if api_version.contains('/') { "apis" } else { "api" };
    let kind = object["kind"].as_str().unwrap().to_ascii_lowercase();
    format!("/{root}/{api_version}/namespaces/shop/{kind}s")
}
