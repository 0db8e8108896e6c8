//! Artifacts that other tools build: each becomes the command that its tool is run with.
//!
//! A tool that is not there is the build's to tell, so that the rest of the project still works.

use std::path::Path;

use super::super::node::{Fault, Node};
use super::super::resolve::absolute;
use super::images::below;
use super::translate::Translator;
use super::tree::made_text;

/// What an artifact is built with where it names no builder.
const BUILDPACKS_BUILDER: &str = "gcr.io/buildpacks/builder:v1";

/// A command, and the globs of what can change its result.
pub(super) struct Recipe {
    pub(super) command: String,
    pub(super) inputs: Vec<String>,
    pub(super) ignore: Vec<String>,
}

/// A word of a command, as a POSIX shell reads it back.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A command that says in one sentence that `tool` is missing, where it is.
pub(super) fn with_tool(tool: &str, builds: &str, home: &str, command: &str) -> String {
    format!(
        "command -v {tool} >/dev/null || {{ echo '`{tool}`, which builds {builds}, is not \
         installed: {home}' >&2; exit 127; }}\n{command}"
    )
}

impl Translator<'_> {
    /// The texts under `key`, templates filled in.
    fn words(&self, node: &Node, key: &str) -> Result<Vec<String>, Fault> {
        let words = node.list_of(key).iter().map(|item| {
            let item = self.templates.expand(item)?;
            Ok(item.as_text().unwrap_or_default().to_owned())
        });
        words.collect()
    }

    fn dependencies(node: &Node, folder: &Path, usual: &[&str]) -> (Vec<String>, Vec<String>) {
        let dependencies = node.get("dependencies");
        let globs = |key: &str| -> Vec<String> {
            let items = dependencies.map_or(&[][..], |dependencies| dependencies.list_of(key));
            items.iter().filter_map(|item| Some(below(folder, item.as_text()?))).collect()
        };
        let inputs = globs("paths");
        let inputs = if inputs.is_empty() {
            usual.iter().map(|&glob| glob.to_owned()).collect()
        } else {
            inputs
        };
        (inputs, globs("ignore"))
    }

    /// `ko build`, with the image into the Engine and under its name.
    pub(super) fn ko(&self, ko: &Node, folder: &Path) -> Result<Recipe, Fault> {
        let dir = ko.text_of("dir").unwrap_or(".");
        let mut command = format!("cd {}\n", word(dir));
        if let Some(image) = ko.get("fromImage").filter(|image| !image.is_vacant()) {
            let image = self.templates.expand(image)?;
            let image = image.as_text().unwrap_or_default().to_owned();
            command.push_str(&format!("export KO_DEFAULTBASEIMAGE={}\n", word(&image)));
        }
        for pair in self.words(ko, "env")? {
            if let Some((name, value)) = pair.split_once('=') {
                command.push_str(&format!("export {name}={}\n", word(value)));
            }
        }
        let mut flags = self.words(ko, "flags")?;
        let linker = self.words(ko, "ldflags")?;
        if !linker.is_empty() {
            flags.push(format!("'-ldflags={}'", linker.join(" ")));
        }
        if !flags.is_empty() {
            let flags = word(&flags.join(" "));
            command.push_str(&format!("export GOFLAGS=\"$GOFLAGS \"{flags}\n"));
        }
        command.push_str("made=$(ko build --local --platform=\"$PLATFORMS\"");
        for (key, value) in ko.map_of("labels") {
            let value = self.templates.expand(value)?;
            let label = format!("{}={}", key.text, value.as_text().unwrap_or_default());
            command.push_str(&format!(" --image-label={}", word(&label)));
        }
        let main = ko.text_of("main").unwrap_or(".");
        let main = match main {
            "." => ".".to_owned(),
            main if main.starts_with(['.', '/']) => main.to_owned(),
            main => format!("./{main}"),
        };
        command.push_str(&format!(" {}) && docker tag \"$made\" \"$IMAGE\"", word(&main)));
        let usual = ["**/*.go", "go.mod", "go.sum", "**/kodata/**", ".ko.yaml"];
        let (inputs, ignore) = Self::dependencies(ko, folder, &usual);
        let command = with_tool("ko", "Go images", "https://ko.build/install/", &command);
        Ok(Recipe { command, inputs, ignore })
    }

    /// Maven's or Gradle's `jib` plugin, with the image into the Engine.
    pub(super) fn jib(&self, jib: &Node, folder: &Path) -> Result<Recipe, Fault> {
        let is_there = |name: &str| folder.join(name).exists();
        let kind = jib.text_of("type").map(str::to_lowercase);
        let is_gradle = match kind.as_deref() {
            Some("gradle") => true,
            Some("maven") => false,
            Some(_) => return Err(jib.get("type").unwrap_or(jib).wrong("`maven` or `gradle`")),
            None => {
                !is_there("pom.xml") && (is_there("build.gradle") || is_there("build.gradle.kts"))
            }
        };
        let mut args: Vec<String> = self.words(jib, "args")?;
        let project = jib.text_of("project");
        let from = jib.text_of("fromImage");
        let (tool, wrapper, home) = if is_gradle {
            let task = match project {
                Some(project) => format!(":{}:jibDockerBuild", project.trim_matches(':')),
                None => ":jibDockerBuild".to_owned(),
            };
            args.extend(["-Djib.console=plain".to_owned(), task]);
            ("gradle", "./gradlew", "https://gradle.org/install/")
        } else {
            match project {
                Some(project) => args.extend([
                    "--projects".to_owned(),
                    project.to_owned(),
                    "--also-make".to_owned(),
                    "package".to_owned(),
                    "jib:dockerBuild".to_owned(),
                    format!("-Djib.containerize={project}"),
                ]),
                None => args.extend(
                    ["--non-recursive", "prepare-package", "jib:dockerBuild"].map(str::to_owned),
                ),
            }
            args.push("-Djib.console=plain".to_owned());
            ("mvn", "./mvnw", "https://maven.apache.org/install.html")
        };
        args.extend(from.map(|image| format!("-Djib.from.image={image}")));
        let words: Vec<String> = args.iter().map(|arg| word(arg)).collect();
        let image = if is_gradle { "--image=\"$IMAGE\"" } else { "-Dimage=\"$IMAGE\"" };
        let rest = format!("{} {image}", words.join(" "));
        let command = if is_there(wrapper) {
            format!("{wrapper} {rest}")
        } else {
            with_tool(tool, "with jib", home, &format!("{tool} {rest}"))
        };
        let ignore = ["**/target/**", "**/build/**", ".gradle/**", ".git/**"];
        Ok(Recipe {
            command,
            inputs: vec!["**".to_owned()],
            ignore: ignore.map(str::to_owned).to_vec(),
        })
    }

    /// `pack build`.
    ///
    /// `dir` is what paths of volumes are relative to.
    pub(super) fn buildpacks(
        &self,
        packs: &Node,
        folder: &Path,
        dir: &Path,
    ) -> Result<Recipe, Fault> {
        let builder = packs.text_of("builder").unwrap_or(BUILDPACKS_BUILDER);
        let mut words = vec!["--builder".to_owned(), word(builder)];
        if let Some(image) = packs.text_of("runImage") {
            words.extend(["--run-image".to_owned(), word(image)]);
        }
        for pack in self.words(packs, "buildpacks")? {
            words.extend(["--buildpack".to_owned(), word(&pack)]);
        }
        for pair in self.words(packs, "env")? {
            words.extend(["--env".to_owned(), word(&pair)]);
        }
        for volume in packs.list_of("volumes") {
            let part = |key: &str| volume.text_of(key).unwrap_or_default().to_owned();
            // A volume by its name, or a folder.
            let host = match part("host") {
                name if name.contains('/') => absolute(dir, Path::new(&name)).display().to_string(),
                name => name,
            };
            let mut spec = format!("{host}:{}", part("target"));
            if let Some(options) = volume.text_of("options") {
                spec.push_str(&format!(":{options}"));
            }
            words.extend(["--volume".to_owned(), word(&spec)]);
        }
        if packs.get("trustBuilder").is_some_and(Node::is_yes) {
            words.push("--trust-builder".to_owned());
        }
        if packs.get("clearCache").is_some_and(Node::is_yes) {
            words.push("--clear-cache".to_owned());
        }
        if let Some(file) = packs.text_of("projectDescriptor") {
            words.extend(["--descriptor".to_owned(), word(file)]);
        }
        if let Some(network) = packs.text_of("network") {
            words.extend(["--network".to_owned(), word(network)]);
        }
        let command = format!(
            "pack build \"$IMAGE\" --path . --pull-policy if-not-present {}",
            words.join(" ")
        );
        let home = "https://buildpacks.io/docs/install-pack/";
        let command = with_tool("pack", "with buildpacks", home, &command);
        let (inputs, ignore) = Self::dependencies(packs, folder, &["**"]);
        Ok(Recipe { command, inputs, ignore })
    }

    /// `bazel build` of an archive, which is loaded into the Engine.
    pub(super) fn bazel(&self, bazel: &Node) -> Result<Recipe, Fault> {
        let target = bazel.text_of("target").unwrap_or_default();
        if !target.ends_with(".tar") {
            return Err(bazel
                .get("target")
                .unwrap_or(bazel)
                .wrong("the target of an archive, such as `//app:image.tar`"));
        }
        let args: Vec<String> =
            self.words(bazel, "args")?.iter().map(|arg| format!(" {}", word(arg))).collect();
        let mut args = args.concat();
        let mut choice = String::new();
        for mapping in bazel.list_of("platforms") {
            let part = |key: &str| mapping.text_of(key).unwrap_or_default();
            let flag = word(&format!("--platforms={}", part("target")));
            choice.push_str(&format!("{}) set -- {flag} ;;\n", word(part("platform"))));
        }
        if !choice.is_empty() {
            choice = format!("set --\ncase \"$PLATFORMS\" in\n{choice}esac\n");
            args.push_str(" \"$@\"");
        }
        let path = target.trim_start_matches('/').trim_start_matches(':').replace(':', "/");
        let command = format!(
            "{choice}bazel build{args} {target}\n\
             loaded=$(docker load -q -i \"$(bazel info{args} bazel-bin)/{path}\") || exit 1\n\
             loaded=${{loaded#Loaded image ID: }}\n\
             docker tag \"${{loaded#Loaded image: }}\" \"$IMAGE\"",
            target = word(target),
        );
        let command = format!("set -e\n{command}");
        let command = with_tool("bazel", "this image", "https://bazel.build/install", &command);
        let ignore = vec!["bazel-*/**".to_owned(), ".git/**".to_owned()];
        Ok(Recipe { command, inputs: vec!["**".to_owned()], ignore })
    }
}

impl Recipe {
    /// Writes it as an entry of `images`.
    pub(super) fn put(self, out: &mut Node, at: &Node, context: &Node) {
        out.put("command", at.text_here(self.command));
        out.put("dir", context.clone());
        let list = |globs: Vec<String>| at.list_here(globs.into_iter().map(made_text).collect());
        out.put("inputs", list(self.inputs));
        if !self.ignore.is_empty() {
            out.put("ignore", list(self.ignore));
        }
    }
}
