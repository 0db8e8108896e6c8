//! What the program does to the world, counted: processes of Helm, requests to the cluster
//! and to the Engine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Project, get, kubectl, output, wait_for};

/// A `helm` first on the `PATH` that writes down its arguments and becomes the real one.
pub(crate) struct HelmCount {
    log: PathBuf,
}

impl HelmCount {
    /// Counts from here on for everything that is started in `project`.
    pub(crate) fn start(project: &mut Project) -> Self {
        let real = output("sh", &["-c", "command -v helm"]);
        Self::with(project, Path::new(real.trim()))
    }

    /// The same with another Helm.
    pub(crate) fn with(project: &mut Project, real: &Path) -> Self {
        let folder = project.home().join("bin");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let log = folder.join("helm.log");
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            real.display()
        );
        let program = folder.join("helm");
        std::fs::write(&program, script).expect("a file can be written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
            .expect("it can be made a program");
        let path = std::env::var("PATH").expect("there is a PATH");
        project.set_variable("PATH", &format!("{}:{path}", folder.display()));
        Self { log }
    }

    /// The command line of each process so far; counting begins anew.
    pub(crate) fn take(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let _ = std::fs::remove_file(&self.log);
        text.lines().map(str::to_owned).collect()
    }
}

/// A `kubectl proxy` between the program (and its Helm) and the API server, which says what it
/// passes on.
pub(crate) struct ApiCount {
    proxy: Child,
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ApiCount {
    /// Counts from here on for everything that is started in `project`.
    pub(crate) fn start(project: &mut Project) -> Self {
        let mut proxy = Command::new("kubectl")
            .args(["proxy", "--port=0", "-v=6"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(proxy.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut line).expect("it says where it listens");
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        let port: u16 = port.expect("it says its port");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let stderr = BufReader::new(proxy.stderr.take().expect("stderr is piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let Some((_, request)) = line.split_once("Filter accepting ") else { continue };
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(request.to_owned());
            }
        });
        let context = kubectl(&["config", "current-context"]);
        let context = context.trim();
        let kubeconfig = project.home().join("counting-kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
             clusters: [{{name: counting, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
             contexts: [{{name: {context}, context: {{cluster: counting, user: none}}}}]\n\
             users: [{{name: none, user: {{}}}}]\n"
        );
        std::fs::write(&kubeconfig, text).expect("a file can be written");
        project.set_variable("KUBECONFIG", &kubeconfig.display().to_string());
        Self { proxy, port, requests }
    }

    /// Each request so far, as `VERB /path`; counting begins anew.
    pub(crate) fn take(&self) -> Vec<String> {
        // What was said before this one has been read when this one has.
        let _ = get(self.port, "/counted-up-to-here");
        let so_far = |requests: &mut Vec<String>| {
            let end = requests.iter().position(|request| request.contains("/counted-up-to-here"));
            end.map(|end| requests.drain(..=end).collect::<Vec<_>>())
        };
        let mut taken = wait_for("the requests", || {
            so_far(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
        });
        taken.pop();
        taken
    }

    /// The requests so far that change something; counting begins anew.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        let mut taken = self.take();
        assert!(!taken.is_empty(), "what is counted asks the cluster at all");
        taken.retain(|request| !request.starts_with("GET "));
        taken
    }
}

impl Drop for ApiCount {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// A relay between the program and the Engine, which notes down every request.
pub(crate) struct EngineCount {
    requests: Arc<Mutex<Vec<String>>>,
}

impl EngineCount {
    /// Counts from here on for everything that is started in `project`.
    pub(crate) fn start(project: &mut Project) -> Self {
        let engine = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = engine.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
        let socket = project.home().join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&engine) else { continue };
                let (Ok(back), Ok(from)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || relay(client, server, Some(&kept)));
                std::thread::spawn(move || relay(from, back, None));
            }
        });
        project.set_variable("DOCKER_HOST", &format!("unix://{}", socket.display()));
        Self { requests }
    }

    /// The requests so far that do more than look; counting begins anew. A command in a node is
    /// how the node is asked.
    pub(crate) fn take_work(&self) -> Vec<String> {
        let taken =
            std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(!taken.is_empty(), "what is counted asks the Engine at all");
        let looks = |request: &String| {
            let (verb, path) = request.split_once(' ').unwrap_or_default();
            let exec = path.contains("/exec") && verb == "POST";
            let export = path.ends_with("/get") || path.contains("/images/get");
            // A name that another test's killed delivery left; one's own delivery does more.
            let swept = verb == "DELETE" && path.contains("/images/127.0.0.1:");
            (verb == "GET" && !export) || verb == "HEAD" || exec || swept
        };
        taken.into_iter().filter(|request| !looks(request)).collect()
    }
}

/// Passes bytes on until either side ends, and notes down the requests among them.
fn relay(mut from: UnixStream, mut to: UnixStream, requests: Option<&Mutex<Vec<String>>>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if let Some(requests) = requests {
            let text = String::from_utf8_lossy(&bytes[..count]);
            let lines = text.lines().filter_map(|line| line.strip_suffix(" HTTP/1.1"));
            let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.extend(lines.map(str::to_owned));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
