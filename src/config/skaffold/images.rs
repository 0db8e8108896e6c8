//! Artifacts: from Skaffold's to the `images` of `wharf.yaml`.

use std::path::Path;

use super::super::error::Problem;
use super::super::node::{Fault, Kind, Node};
use super::super::resolve::absolute;
use super::checks;
use super::hooks;
use super::modules::Module;
use super::translate::Translator;
use super::tree::{made_map, made_text};

/// Builders other than Docker.
const BUILDERS: &[&str] = &["custom", "ko", "jib", "buildpacks", "kaniko", "bazel"];

/// Flags of `docker build` that have a key: the flag, the key, and whether it may come again.
const CLI_FLAGS: &[(&str, &str)] = &[
    ("--build-arg", "args"),
    ("--target", "target"),
    ("--network", "network"),
    ("--add-host", "addHosts"),
    ("--secret", "secrets"),
    ("--ssh", "ssh"),
    ("--build-context", "contexts"),
    ("--platform", "platform"),
    ("--file", "dockerfile"),
    ("-f", "dockerfile"),
];

/// Flags of `docker build` that change nothing about the image.
const HARMLESS_FLAGS: &[&str] = &[
    "--no-cache",
    "--pull",
    "--quiet",
    "-q",
    "--rm",
    "--force-rm",
    "--load",
    "--provenance",
    "--sbom",
    "--compress",
    "--disable-content-trust",
    "--debug",
    "-D",
];

/// The same with a value, which may be a word of its own.
const HARMLESS_WITH_VALUE: &[&str] = &[
    "--progress",
    "--cache-from",
    "--cache-to",
    "--builder",
    "--memory",
    "-m",
    "--memory-swap",
    "--cpu-period",
    "--cpu-quota",
    "--cpu-shares",
    "-c",
    "--cpuset-cpus",
    "--cpuset-mems",
    "--isolation",
    "--iidfile",
    "--metadata-file",
    "--attest",
];

/// The name of an image without the tag or digest that it may be written with.
pub(super) fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

impl Translator<'_> {
    /// The entries of `images` for a module.
    pub(super) fn images(&mut self, module: &Module) -> Result<Vec<(Node, Node)>, Fault> {
        let artifacts =
            module.document.at_path(&["build"]).map_or(&[][..], |build| build.list_of("artifacts"));
        artifacts.iter().map(|artifact| self.image(module, artifact)).collect()
    }

    /// An artifact's name, without a tag.
    pub(super) fn name_of(&self, artifact: &Node) -> Result<Node, Fault> {
        let Some(image) = artifact.get("image").filter(|image| !image.is_vacant()) else {
            return Err(artifact.fault(Problem::MissingKey {
                key: "image",
                within: "this artifact".to_owned(),
                example: "image: NAME".to_owned(),
            }));
        };
        let image = self.templates.expand(image)?;
        let name = repository(image.as_text().unwrap_or_default()).to_owned();
        Ok(image.text_here(name))
    }

    fn image(&mut self, module: &Module, artifact: &Node) -> Result<(Node, Node), Fault> {
        let name = self.name_of(artifact)?;
        let context = match artifact.get("context") {
            Some(node) => {
                let path = absolute(&module.dir, Path::new(node.as_text().unwrap_or_default()));
                node.text_here(path.display().to_string())
            }
            None => made_text(module.dir.display().to_string()),
        };
        let mut out = artifact.map_here();
        let folder = Path::new(context.as_text().unwrap_or_default()).to_path_buf();
        let is_command = self.builder(&mut out, module, artifact, &context)?;
        let builders = BUILDERS.iter().chain(&["docker"]).filter_map(|key| artifact.get(key));
        if let Some(second) = builders.into_iter().nth(1) {
            return Err(second.fault(Problem::Conflict {
                what: format!(
                    "the artifact `{}` has two builders",
                    name.as_text().unwrap_or_default()
                ),
                help: "take one of them out".to_owned(),
            }));
        }
        self.requirements(&mut out, artifact, is_command)?;
        if let Some(hooks) = artifact.get("hooks") {
            let hooks = hooks::hooks(hooks, &module.dir, &folder)?;
            if !hooks.is_vacant() {
                out.put("hooks", hooks);
            }
        }
        self.tested(&mut out, module, name.as_text().unwrap_or_default())?;
        if let Some(image) = artifact.get("image")
            && let Some(tag) = self.tag(module, image, name.as_text().unwrap_or_default())?
        {
            out.put("tag", tag);
        }
        let build = module.document.at_path(&["build"]);
        let of_build = build.and_then(|build| build.get("platforms"));
        if let Some(platforms) = artifact.get("platforms").or(of_build) {
            match platforms.items() {
                [] => {}
                [only] => out.put("platform", only.clone()),
                _ => self.remark(
                    platforms,
                    "platforms",
                    "images are built for the platform of the cluster's nodes",
                ),
            }
        }
        Ok((name, out))
    }

    /// Tests of an image as hooks after its build, which fails where one of them does.
    fn tested(&mut self, out: &mut Node, module: &Module, name: &str) -> Result<(), Fault> {
        let skips = self.templates.environment.get("SKAFFOLD_SKIP_TESTS");
        if skips.is_some_and(|value| matches!(value.as_str(), "true" | "1")) {
            return Ok(());
        }
        let tests = checks::tests(&self.templates, module)?;
        let tests: Vec<_> = tests.into_iter().filter(|test| test.image == name).collect();
        let Some(section) = module.document.get("test").filter(|_| !tests.is_empty()) else {
            return Ok(());
        };
        let hooks = tests.into_iter().map(|test| {
            let limit = test.limit.map(|limit| vec!["timeout".into(), limit.as_secs().to_string()]);
            let mut words = limit.unwrap_or_default();
            words.extend(["sh".to_owned(), "-c".to_owned(), test.command]);
            let words = words.into_iter().map(|word| section.text_here(word));
            let mut hook = section.map_here();
            hook.put("command", section.list_here(words.collect()));
            hook.put("dir", section.text_here(test.dir.display().to_string()));
            hook
        });
        let before = out.at_path(&["hooks"]).map_or(&[][..], |hooks| hooks.list_of("after"));
        let all = before.iter().cloned().chain(hooks).collect();
        out.put_path(&["hooks", "after"], section.list_here(all));
        Ok(())
    }

    /// Writes how an artifact is built; whether that is by a command.
    fn builder(
        &mut self,
        out: &mut Node,
        module: &Module,
        artifact: &Node,
        context: &Node,
    ) -> Result<bool, Fault> {
        let folder = Path::new(context.as_text().unwrap_or_default()).to_path_buf();
        if let Some(custom) = artifact.get("custom") {
            self.custom(out, custom, context)?;
            return Ok(true);
        }
        let recipe = if let Some(ko) = artifact.get("ko") {
            Some((ko, self.ko(ko, &folder)?))
        } else if let Some(jib) = artifact.get("jib") {
            Some((jib, self.jib(jib, &folder)?))
        } else if let Some(packs) = artifact.get("buildpacks") {
            Some((packs, self.buildpacks(packs, &folder, &module.dir)?))
        } else if let Some(bazel) = artifact.get("bazel") {
            Some((bazel, self.bazel(bazel)?))
        } else {
            None
        };
        if let Some((at, recipe)) = recipe {
            recipe.put(out, at, context);
            return Ok(true);
        }
        if let Some(kaniko) = artifact.get("kaniko") {
            self.remark(kaniko, "kaniko", "the Dockerfile is built by the local Docker Engine");
        }
        let empty = made_map();
        let docker = artifact.get("docker").or_else(|| artifact.get("kaniko")).unwrap_or(&empty);
        let below = docker.text_of("contextSubPath").map(|below| folder.join(below));
        let context = below.map_or_else(
            || context.clone(),
            |below| context.text_here(below.display().to_string()),
        );
        self.docker(out, module, docker, &context)?;
        Ok(false)
    }

    fn docker(
        &mut self,
        out: &mut Node,
        module: &Module,
        docker: &Node,
        context: &Node,
    ) -> Result<(), Fault> {
        out.put("context", context.clone());
        if let Some(node) = docker.get("dockerfile") {
            let node = self.templates.expand(node)?;
            let text = node.as_text().unwrap_or_default();
            let inside =
                absolute(Path::new(context.as_text().unwrap_or_default()), Path::new(text));
            let beside = absolute(&module.dir, Path::new(text));
            // In the context, else in the folder; a name that is nowhere is told as in the context.
            let path = if !inside.is_file() && beside.is_file() { beside } else { inside };
            out.put("dockerfile", node.text_here(path.display().to_string()));
        }
        for key in ["target", "network"] {
            if let Some(node) = docker.get(key).filter(|node| !node.is_vacant()) {
                out.put(key, network(key, node)?);
            }
        }
        for (key, value) in docker.map_of("buildArgs") {
            let value = match &value.kind {
                // As `docker build --build-arg NAME`: out of the environment, if it is there.
                Kind::Null => match self.templates.environment.get(&key.text) {
                    Some(text) => {
                        Node::new(Kind::Scalar { text: text.clone(), plain: false }, key.at.clone())
                    }
                    None => continue,
                },
                _ => self.templates.expand(value)?,
            };
            let name = self.templates.expand(&value.text_here(key.text.clone()))?;
            out.put_path(&["args", name.as_text().unwrap_or_default()], value);
        }
        if let Some(hosts) = docker.get("addHost").filter(|hosts| !hosts.is_vacant()) {
            out.put("addHosts", hosts.clone());
        }
        let secrets: Result<Vec<Node>, Fault> =
            docker.list_of("secrets").iter().map(|secret| secret_of(secret, &module.dir)).collect();
        let secrets = secrets?;
        if !secrets.is_empty() {
            out.put("secrets", docker.get("secrets").unwrap_or(docker).list_here(secrets));
        }
        if let Some(ssh) = docker.get("ssh").filter(|ssh| !ssh.is_vacant()) {
            out.put("ssh", ssh.list_here(vec![agent(ssh, ssh.as_text().unwrap_or_default())]));
        }
        self.cli_flags(out, module, docker)
    }

    /// Flags for `docker build`: those that have a key are read, the harmless ones are left out.
    fn cli_flags(&self, out: &mut Node, module: &Module, docker: &Node) -> Result<(), Fault> {
        let mut flags = docker.list_of("cliFlags").iter();
        while let Some(node) = flags.next() {
            let node = self.templates.expand(node)?;
            let text = node.as_text().unwrap_or_default().to_owned();
            let (flag, value) = match text.split_once(['=', ' ']) {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (text.as_str(), None),
            };
            if HARMLESS_FLAGS.contains(&flag) {
                continue;
            }
            if HARMLESS_WITH_VALUE.contains(&flag) {
                if value.is_none() {
                    flags.next();
                }
                continue;
            }
            let Some((_, key)) = CLI_FLAGS.iter().find(|(known, _)| *known == flag) else {
                return Err(node.fault(Problem::Conflict {
                    what: format!(
                        "the flag `{flag}` of `docker build` has no counterpart in wharf"
                    ),
                    help:
                        "wharf builds through BuildKit's API: take it out, or build with `custom`"
                            .to_owned(),
                }));
            };
            let value = match value {
                Some(value) => value,
                None => flags.next().and_then(Node::as_text).unwrap_or_default().to_owned(),
            };
            self.cli_flag(out, module, key, &node.text_here(value))?;
        }
        Ok(())
    }

    fn cli_flag(
        &self,
        out: &mut Node,
        module: &Module,
        key: &str,
        node: &Node,
    ) -> Result<(), Fault> {
        let value = node.as_text().unwrap_or_default();
        let pair = value.split_once('=');
        match key {
            "args" => match pair {
                Some((name, value)) => out.put_path(&["args", name], node.text_here(value)),
                None => {
                    if let Some(text) = self.templates.environment.get(value) {
                        out.put_path(&["args", value], node.text_here(text.as_str()));
                    }
                }
            },
            "contexts" => {
                let Some((name, context)) = pair else { return Err(node.wrong("`NAME=CONTEXT`")) };
                let context = if context.contains("://") {
                    context.to_owned()
                } else {
                    absolute(&module.dir, Path::new(context)).display().to_string()
                };
                out.put_path(&["contexts", name], node.text_here(context));
            }
            "secrets" => {
                let mut secret = node.map_here();
                for part in value.split(',') {
                    let Some((name, value)) = part.split_once('=') else { continue };
                    let name = if name == "source" { "src" } else { name };
                    if matches!(name, "id" | "src" | "env") {
                        secret.put(name, node.text_here(value));
                    }
                }
                append(out, "secrets", secret_of(&secret, &module.dir)?);
            }
            "ssh" => append(out, "ssh", agent(node, value)),
            "addHosts" => append(out, key, node.clone()),
            "dockerfile" => {
                let path = absolute(&module.dir, Path::new(value));
                out.put(key, node.text_here(path.display().to_string()));
            }
            _ => out.put(key, network(key, node)?),
        }
        Ok(())
    }

    fn custom(&mut self, out: &mut Node, custom: &Node, context: &Node) -> Result<(), Fault> {
        let Some(command) = custom.get("buildCommand").filter(|command| !command.is_vacant())
        else {
            return Err(custom.fault(Problem::MissingKey {
                key: "buildCommand",
                within: "`custom`".to_owned(),
                example: "buildCommand: ./build.sh".to_owned(),
            }));
        };
        out.put("command", self.templates.expand(command)?);
        out.put("dir", context.clone());
        let folder = Path::new(context.as_text().unwrap_or_default());
        let everything = || Node::list_here(command, vec![made_text("**")]);
        let dependencies = custom.get("dependencies");
        let globs = |key: &str| -> Option<Node> {
            let list = dependencies?.get(key)?;
            let items = list
                .items()
                .iter()
                .filter_map(|item| Some(item.text_here(below(folder, item.as_text()?))));
            Some(list.list_here(items.collect())).filter(|list| !list.is_vacant())
        };
        let listed = match dependencies.and_then(|dependencies| dependencies.get("command")) {
            Some(command) => Some(self.listed(command, folder)?),
            None => None,
        };
        out.put("inputs", globs("paths").or(listed).unwrap_or_else(everything));
        if let Some(ignore) = globs("ignore") {
            out.put("ignore", ignore);
        }
        Ok(())
    }

    /// What a command that lists a build's inputs says: a JSON array of paths.
    fn listed(&self, command: &Node, folder: &Path) -> Result<Node, Fault> {
        let text = command.as_text().unwrap_or_default();
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let wrong = |why: String| {
            command.fault(Problem::Conflict {
                what: format!("`{text}` does not list the inputs of the build: {why}"),
                help: "it must print a JSON array of paths".to_owned(),
            })
        };
        let said = self.templates.run(&words, folder).map_err(wrong)?;
        let paths: Vec<String> =
            serde_json::from_str(&said).map_err(|error| wrong(error.to_string()))?;
        let inside = |path: &String| {
            let path = absolute(folder, Path::new(path));
            path.strip_prefix(folder).ok().map(|path| path.display().to_string())
        };
        let items = paths.iter().filter_map(inside).map(|path| command.text_here(path));
        Ok(command.list_here(items.collect()))
    }

    /// `requires`: what is built first, and as which build argument or variable its image is known.
    fn requirements(
        &mut self,
        out: &mut Node,
        artifact: &Node,
        is_command: bool,
    ) -> Result<(), Fault> {
        let mut needs = Vec::new();
        for required in artifact.list_of("requires") {
            let name = self.name_of(required)?;
            // A Dockerfile that names an image of the project gets that image.
            let alias = required.text_of("alias").unwrap_or(name.as_text().unwrap_or_default());
            let key = if is_command { "env" } else { "args" };
            out.put_path(&[key, alias], name.clone());
            needs.push(name);
        }
        if let (Some(list), false) = (artifact.get("requires"), needs.is_empty()) {
            out.put("needs", list.list_here(needs));
        }
        Ok(())
    }
}

fn append(out: &mut Node, key: &str, item: Node) {
    let mut items = out.list_of(key).to_vec();
    let list = item.clone();
    items.push(item);
    out.put(key, list.list_here(items));
}

fn network(key: &str, node: &Node) -> Result<Node, Fault> {
    match (key, node.as_text().unwrap_or_default()) {
        // What a build has by itself.
        ("network", "bridge") => Ok(node.text_here("default")),
        ("network", "default" | "none" | "host") => Ok(node.clone()),
        ("network", _) => Err(node.wrong("`bridge`, `none` or `host`")),
        _ => Ok(node.clone()),
    }
}

fn secret_of(secret: &Node, dir: &Path) -> Result<Node, Fault> {
    let mut out = secret.map_here();
    if let Some(id) = secret.get("id") {
        out.put("id", id.clone());
    }
    match (secret.get("src"), secret.get("env"), secret.get("id")) {
        (Some(file), _, _) => {
            let text = file.as_text().unwrap_or_default();
            let path = if text.starts_with('~') {
                text.to_owned()
            } else {
                absolute(dir, Path::new(text)).display().to_string()
            };
            out.put("file", file.text_here(path));
        }
        (None, Some(env), _) => out.put("env", env.clone()),
        // `docker build --secret id=NAME` reads the variable of that name.
        (None, None, Some(id)) => out.put("env", id.clone()),
        (None, None, None) => return Err(secret.wrong("a build secret with an `id`")),
    }
    Ok(out)
}

fn agent(node: &Node, text: &str) -> Node {
    let mut out = node.map_here();
    match text.split_once('=') {
        Some((id, socket)) => {
            out.put("id", node.text_here(id));
            out.put("socket", node.text_here(socket));
        }
        None => out.put("id", node.text_here(text)),
    }
    out
}

/// A dependency of a custom build as a glob: a folder means all that is in it.
pub(super) fn below(folder: &Path, text: &str) -> String {
    let text = text.trim_start_matches("./").trim_end_matches('/');
    if text.is_empty() || text == "." {
        "**".to_owned()
    } else if folder.join(text).is_dir() {
        format!("{text}/**")
    } else {
        text.to_owned()
    }
}
