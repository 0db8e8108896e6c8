//! Clusters of more than one node, and nodes of another make: an image gets everywhere it can run,
//! and each node gets only what it lacks.

use std::collections::BTreeMap;

use crate::support::{Project, Wharf, output, part, wait_for};

/// A DaemonSet, so that every node runs the image.
const EVERYWHERE: &str = r#"apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
"#;

/// A cluster of the test's own, gone with it.
struct Own {
    exports: BTreeMap<String, String>,
    name: &'static str,
}

impl Own {
    fn make(name: &'static str, part_name: &str) -> Self {
        Self { exports: part(part_name), name }
    }

    fn kubectl(&self, args: &[&str]) -> String {
        output("kubectl", &[&["--kubeconfig", &self.exports["KUBECONFIG"]], args].concat())
    }

    /// A project that is deployed here.
    fn project(&self) -> Project {
        let mut project = Project::web();
        project.set_variable("KUBECONFIG", &self.exports["KUBECONFIG"]);
        project.write("chart/templates/web.yaml", EVERYWHERE);
        project
    }

    /// Which pod runs on each node, and with which image.
    fn pods(&self, project: &Project) -> BTreeMap<String, String> {
        let path = "jsonpath={range .items[?(@.status.phase==\"Running\")]}{.spec.nodeName} \
                    {.spec.containers[0].image}{\"\\n\"}{end}";
        let listed = self.kubectl(&["get", "pods", "-n", project.namespace(), "-o", path]);
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(node, image)| (node.to_owned(), image.to_owned())).collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let delete = ["delete", "cluster", "--name", self.name, "--kubeconfig"];
        let mut delete = std::process::Command::new("kind")
            .args(delete)
            .arg(&self.exports["KUBECONFIG"])
            .spawn()
            .expect("kind is there");
        let _ = delete.wait();
    }
}

/// Waits for the next image to be delivered: the bytes that went over, and all it has.
fn delivered(wharf: &mut Wharf) -> (u64, u64) {
    wharf.next("the delivery", |told| {
        (told["news"] == "delivered").then_some(())?;
        assert_eq!(told["how"], "loaded");
        Some((told["sent_bytes"].as_u64()?, told["total_bytes"].as_u64()?))
    })
}

#[test]
#[ignore = "needs a cluster"]
fn three_nodes_get_what_each_lacks() {
    let cluster = Own::make("wharf-test-3", "three-nodes");
    let project = cluster.project();
    let nodes = cluster.kubectl(&["get", "nodes", "-o", "name"]);
    let nodes: Vec<&str> = nodes.lines().filter_map(|node| node.strip_prefix("node/")).collect();
    assert_eq!(nodes.len(), 3);
    let mut wharf = Wharf::start(&project, &["dev"]);
    let (sent, total) = delivered(&mut wharf);
    assert!(sent > 0 && total > 0, "{sent} of {total}");
    assert_eq!(wharf.round(), 0);
    let first = cluster.pods(&project);
    assert_eq!(first.len(), 3, "{first:?}");
    let image = first.values().next().expect("there are three").clone();

    project.edit("www/index.html", "first", "second");
    let (sent, _) = delivered(&mut wharf);
    assert!(sent < 64 << 10, "an edit is {sent} bytes");
    assert_eq!(wharf.round(), 0);
    wait_for("the edit on every node", || {
        let now = cluster.pods(&project);
        (now.len() == 3 && now.values().all(|now| *now != image)).then_some(())
    });

    // One node loses the first image; back at the old content only that one is given it.
    let on = |node: &str, script: &str| output("docker", &["exec", node, "sh", "-c", script]);
    let full = format!("docker.io/library/{image}");
    let has = |node: &str| on(node, &format!("ctr -n k8s.io images ls -q name=={full}"));
    on(nodes[1], &format!("crictl rmi {full}"));
    assert_eq!(has(nodes[1]), "");
    let stamp = |node: &str| {
        let script = format!(
            "ctr -n k8s.io images inspect {full} 2>/dev/null | head -3; \
                              ctr -n k8s.io images ls name=={full}"
        );
        on(node, &script)
    };
    let before = [stamp(nodes[0]), stamp(nodes[2])];
    project.edit("www/index.html", "second", "first");
    delivered(&mut wharf);
    assert_eq!(wharf.round(), 0);
    assert_eq!(has(nodes[1]).trim(), full);
    assert_eq!([stamp(nodes[0]), stamp(nodes[2])], before, "these had it and were left alone");
    assert_eq!(wharf.told("web", "built"), 2, "the Engine has it, so nothing is built");
    wait_for("the old content on every node", || (cluster.pods(&project) == first).then_some(()));

    // A node whose disk is full takes no image; the others' pods go on as they are.
    let ingest = "/var/lib/containerd/io.containerd.content.v1.content/ingest";
    let fill = format!(
        "mount -t tmpfs -o size=4k none {ingest}; head -c 9000 /dev/zero >{ingest}/ballast || true"
    );
    on(nodes[2], &fill);
    project.edit("www/index.html", "first", "third");
    let told = wharf
        .next("that the disk is full", |told| (told["news"] == "failed").then(|| told.clone()));
    let lines = [&told["what"], &told["help"][0], &told["help"][1], &told["code"]];
    let lines = lines.map(|line| line.as_str().unwrap_or_default()).join("\n");
    let tag = regex::Regex::new("web:[0-9a-f]{16}").expect("it is a pattern");
    insta::assert_snapshot!(tag.replace_all(&lines, "web:TAG"), @r"
    node `wharf-test-3-worker2` has no space left for `web:TAG`
    see what fills it: `docker exec wharf-test-3-worker2 df -h`
    remove unused images: `docker exec wharf-test-3-worker2 crictl rmi --prune`
    wharf::load::no_space
    ");
    assert_ne!(wharf.round(), 0);
    assert_eq!(cluster.pods(&project), first);
    // It goes on by itself once there is room.
    on(nodes[2], &format!("umount {ingest}"));
    delivered(&mut wharf);
    assert_eq!(wharf.round(), 0);
    assert_eq!(wharf.told("web", "failed"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn nodes_of_k3d_are_loaded_too() {
    let cluster = Own::make("wharf-test-k3d", "k3d-nodes");
    let project = cluster.project();
    let mut wharf = Wharf::start(&project, &["dev"]);
    wharf.next("the start", |told| {
        (told["report"] == "started").then(|| assert_eq!(told["context"], "k3d-wharf-test-k3d"))
    });
    let (sent, total) = delivered(&mut wharf);
    assert!(sent > 0 && total > 0, "{sent} of {total}");
    assert_eq!(wharf.round(), 0);
    let before = cluster.pods(&project);
    project.edit("www/index.html", "first", "second");
    delivered(&mut wharf);
    assert_eq!(wharf.round(), 0);
    wait_for("the edit", || {
        let now = cluster.pods(&project);
        (now.len() == 1 && now != before).then_some(())
    });
    assert_eq!(wharf.interrupt(), Some(0));
}
