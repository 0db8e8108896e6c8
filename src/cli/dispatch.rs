//! From a parsed command line to an exit code: starts `ui` and the inputs, calls the command,
//! waits for both.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bench;
use crate::cluster::ClusterOptions;
use crate::config;
use crate::config::ConfigRequest;
use crate::model::{Key, Paths, Project};
use crate::ops;
use crate::ops::{ChecksRequest, DeleteRequest, Place};
use crate::report::{Failure, FailureKind, Report, Reporter};
use crate::tools::Tools;
use crate::ui;
use crate::ui::{Keys, UiOptions};

use super::checks::ContainerArgs;
use super::environment::Environment;
use super::global::GlobalArgs;
use super::inputs::{PRESSES, Signals, pass_on};
use super::logs::LogsArgs;
use super::loop_command::{given_images, loop_command};
use super::{Cli, Command, LoopOptions, completions, log_file, words};

/// How long the last words may take when nobody reads them.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a command gets besides its own options.
pub(super) struct Call {
    pub(super) global: GlobalArgs,
    /// The command's name, such as `dev`.
    pub(super) command: &'static str,
    pub(super) tools: Tools,
    pub(super) paths: Paths,
    pub(super) reporter: Reporter,
    /// What is asked of the command while it runs: the first `Interrupt` ends it in order, the
    /// second at once.
    pub(super) key_rx: mpsc::Receiver<Key>,
    /// The configuration, where it is written to stdin.
    pub(super) stdin: Option<Arc<str>>,
    /// How wide text on stdout may be.
    pub(super) columns: usize,
    /// Cancelled when whoever read stdout has gone.
    pub(super) stdout_closed: CancellationToken,
}

/// Exit codes; see `report::FailureKind`.
pub(super) const DONE: u8 = 0;
pub(super) const FAILED: u8 = 1;
pub(super) const INTERRUPTED: u8 = 130;

/// Runs what the command line asks for.
pub async fn dispatch(cli: Cli) -> ExitCode {
    let environment = Environment::read().with(&cli.variables);
    let stdout_closed = CancellationToken::new();
    let signals = Signals::listen();
    let options = cli.command.loop_options(&cli.global);
    let keys = options.as_ref().filter(|options| options.stays()).and_then(|_| Keys::listen());
    let (reporter, reports) = Reporter::channel();
    let mut shown = JoinSet::new();
    let ui_options = UiOptions {
        takes_back: options.as_ref().is_some_and(|options| options.cleanup),
        keys: keys.is_some(),
        manual: options.as_ref().is_some_and(|options| options.manual),
        ..ui_options(&environment, &cli.global, &stdout_closed)
    };
    shown.spawn(ui::run(reports, ui_options));

    cli.remarks.iter().for_each(|remark| reporter.note(remark));
    let (key_tx, key_rx) = mpsc::channel(PRESSES);
    let mut inputs = JoinSet::new();
    let ended = match start(&environment, &cli.global) {
        Ok((paths, tools)) => {
            let told = log_file::start(&paths.state, cli.global.verbose, &reporter);
            if let Ok(signals) = signals {
                inputs.spawn(pass_on(signals, keys, key_tx, reporter.clone()));
            }
            let global = cli.global.clone();
            let reporter = reporter.clone();
            let command = cli.command.name();
            let stdin = global.file.as_deref().filter(|file| *file == Path::new("-"));
            // What is no text is told as what it is not: a configuration.
            let stdin =
                stdin.map(|_| std::io::read_to_string(std::io::stdin()).unwrap_or_default());
            let stdin = stdin.map(Arc::from);
            let columns = environment.columns();
            let call = Call {
                columns,
                stdin,
                global,
                command,
                tools,
                paths,
                reporter,
                key_rx,
                stdout_closed,
            };
            let ended = match cli.theirs.as_slice() {
                // What is wrong with a configuration is said by whoever reads it.
                theirs @ [_, ..] if config::is_none_of_skaffold(&call.config_request()) => {
                    Err(words::foreign(theirs))
                }
                _ => cli.command.run(options, call).await,
            };
            drop(told);
            ended
        }
        Err(failure) => Err(failure),
    };
    // Gives the terminal back before the last line is written.
    inputs.shutdown().await;
    let code = ended.unwrap_or_else(|failure| {
        let code = code_of(failure.kind);
        if code != INTERRUPTED {
            reporter.tell(Report::Failed(failure));
        }
        code
    });
    drop(reporter);
    let _ = tokio::time::timeout(LAST_WORDS, shown.join_next()).await;
    ExitCode::from(code)
}

/// The folder that was asked for, then wharf's own folders and the programs.
fn start(environment: &Environment, global: &GlobalArgs) -> Result<(Paths, Tools), Failure> {
    if let Some(folder) = &global.directory {
        std::env::set_current_dir(folder).map_err(|error| {
            let what = format!("folder `{}` cannot be entered", folder.display());
            Failure::request("wharf::cli::no_folder", what).because(error.to_string())
        })?;
    }
    Ok((environment.paths()?, environment.tools()))
}

fn ui_options(
    environment: &Environment,
    global: &GlobalArgs,
    stdout_closed: &CancellationToken,
) -> UiOptions {
    let wishes = environment.wishes();
    let flag = global.color.into();
    UiOptions {
        form: wishes.form(global.json, environment.is_terminal(true)),
        colour_stdout: wishes.colour(flag, environment.is_terminal(false)),
        colour_stderr: wishes.colour(flag, environment.is_terminal(true)),
        quiet: global.quiet,
        verbose: global.verbose,
        takes_back: false,
        keys: false,
        manual: false,
        stdout_closed: stdout_closed.clone(),
    }
}

fn code_of(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Work | FailureKind::Bug => FAILED,
        FailureKind::Request => 2,
        FailureKind::Interrupted => INTERRUPTED,
    }
}

impl Call {
    /// Where the configuration is, as the flags say.
    pub(super) fn config_request(&self) -> ConfigRequest {
        ConfigRequest {
            dir: self.paths.cwd.clone(),
            file: self.global.file.clone(),
            stdin: self.stdin.clone(),
            profiles: self.global.profile.clone(),
            modules: self.global.module.clone(),
            command: self.command.to_owned(),
            kube_context: self.global.context.as_ref().map(ToString::to_string),
            environment: self.tools.variables(),
            offline: false,
            lenient: false,
            manifests: vec![],
            home: Some(self.paths.home.clone()),
        }
    }

    /// Which cluster is meant, as the flags and `project` say.
    pub(super) fn cluster_options(&self, project: Option<&Project>) -> ClusterOptions {
        let choice = project.map(|project| project.cluster.clone()).unwrap_or_default();
        ClusterOptions {
            context: self.global.context.clone().or(choice.context),
            from_flag: self.global.context.is_some(),
            namespace: self.global.namespace.clone().or(choice.namespace),
            allow: choice.allow,
            runtime_dir: self.paths.runtime.clone(),
        }
    }

    /// The project and the cluster that a command of `ops` looks at or takes back: what it would
    /// take to build it need not be there.
    fn standing_place(&self) -> Result<Place, Failure> {
        self.place(&ConfigRequest { lenient: true, ..self.config_request() })
    }

    /// The project and the cluster that a command of `ops` works on.
    fn place(&self, request: &ConfigRequest) -> Result<Place, Failure> {
        let loaded = config::load(request).map_err(|error| error.failure())?;
        Ok(Place {
            cluster: self.cluster_options(Some(&loaded.project)),
            project: loaded.project,
            paths: self.paths.clone(),
            tools: self.tools.clone(),
            reporter: self.reporter.clone(),
        })
    }

    async fn status(mut self, names: Vec<String>) -> Result<u8, Failure> {
        let place = self.standing_place()?;
        let work = ops::status(&place, &names);
        let well = until_interrupted(work, &mut self.key_rx).await??;
        Ok(if well { DONE } else { FAILED })
    }

    async fn logs(mut self, args: LogsArgs) -> Result<u8, Failure> {
        let place = self.standing_place()?;
        if let Some(image) = &args.build {
            ops::build_log(image, &place.project, &place.paths, &place.reporter)?;
            return Ok(DONE);
        }
        // Ctrl+C is how following ends, and a closed pipe (`| head`) is the end of everything.
        let enough = self.stdout_closed.clone();
        let request = args.request();
        let work = ops::logs(&place, &request, &enough);
        match until_interrupted(work, &mut self.key_rx).await {
            Ok(done) => done.map(|()| DONE),
            Err(_) if request.follow => Ok(DONE),
            Err(interrupted) => Err(interrupted),
        }
    }

    async fn delete(mut self, request: DeleteRequest) -> Result<u8, Failure> {
        bench::mend(&self.paths.state, &self.reporter);
        let place = self.standing_place()?;
        let cancel = CancellationToken::new();
        let work = ops::delete(&place, &request, &cancel);
        tokio::pin!(work);
        // The first interrupt asks for an end in order, which names what is left over.
        let clean = match until_interrupted(&mut work, &mut self.key_rx).await {
            Ok(clean) => clean?,
            Err(interrupted) => {
                cancel.cancel();
                until_interrupted(work, &mut self.key_rx).await??;
                return Err(interrupted);
            }
        };
        Ok(if clean { DONE } else { FAILED })
    }

    /// `test`, `verify` and `exec`.
    async fn checks(
        mut self,
        sort: Sort,
        names: Vec<String>,
        images: Vec<String>,
        containers: Option<ContainerArgs>,
    ) -> Result<u8, Failure> {
        let place = self.place(&self.config_request())?;
        let checks = config::checks(&self.config_request()).map_err(|error| error.failure())?;
        let images = given_images(&images, &self.paths.cwd).await?;
        let (network, env_file) = containers.map_or((None, None), |containers| {
            let file = containers.env_file.map(|file| self.paths.cwd.join(file));
            (containers.docker_network, file)
        });
        let request = ChecksRequest { names, images, network, env_file };
        let cancel = CancellationToken::new();
        let work = async {
            match sort {
                Sort::Test => ops::test(&place, &checks, &request, &cancel).await,
                Sort::Verify => ops::verify(&place, &checks, &request, &cancel).await,
                Sort::Exec => ops::exec(&place, &checks, &request, &cancel).await,
            }
        };
        tokio::pin!(work);
        // The first interrupt ends what runs, in order.
        match until_interrupted(&mut work, &mut self.key_rx).await {
            Ok(done) => done.map(|()| DONE),
            Err(interrupted) => {
                cancel.cancel();
                let _ = until_interrupted(work, &mut self.key_rx).await;
                Err(interrupted)
            }
        }
    }

    async fn doctor(mut self) -> Result<u8, Failure> {
        let loaded = config::load(&self.config_request());
        let loaded = loaded.as_ref();
        let cluster = self.cluster_options(loaded.ok().map(|loaded| &loaded.project));
        // What keeps it from being read is said by the other.
        let unmet = config::unmet(&self.config_request()).unwrap_or_default();
        let work = ops::doctor(loaded, &unmet, &cluster, &self.paths, &self.tools, &self.reporter);
        let well = until_interrupted(work, &mut self.key_rx).await?;
        Ok(if well { DONE } else { FAILED })
    }
}

/// Which of them is run to its end.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Test,
    Verify,
    Exec,
}

/// Does `work`, or gives it up at the first interrupt.
async fn until_interrupted<T>(
    work: impl Future<Output = T>,
    key_rx: &mut mpsc::Receiver<Key>,
) -> Result<T, Failure> {
    let interrupted = async {
        while let Some(key) = key_rx.recv().await {
            if key == Key::Interrupt {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = interrupted => Err(Failure::interrupted()),
    }
}

impl Command {
    /// Its name, as profiles of a Skaffold configuration know it.
    fn name(&self) -> &'static str {
        match self {
            Self::Dev(_) => "dev",
            Self::Run(_) => "run",
            Self::Build(_) => "build",
            Self::Deploy(_) => "deploy",
            Self::Apply(_) => "apply",
            Self::Render(_) => "render",
            Self::Delete(_) => "delete",
            Self::Test(_) => "test",
            Self::Verify(_) => "verify",
            Self::Exec(_) => "exec",
            Self::Status(_) => "status",
            Self::Logs(_) => "logs",
            Self::Trace(_) => "trace",
            Self::Bench(_) => "bench",
            Self::Init(_) => "init",
            Self::Config(_) => "config",
            Self::Doctor(_) => "doctor",
            Self::Schema(_) => "schema",
            Self::Completions(_) => "completions",
            Self::Version(_) => "version",
        }
    }

    /// The options of the loop, if the command is one of its own.
    pub(super) fn loop_options(&self, global: &GlobalArgs) -> Option<LoopOptions> {
        match self.clone() {
            Self::Dev(args) => Some(args.options(global)),
            Self::Run(args) => Some(args.options(global)),
            Self::Build(args) => Some(args.options(global)),
            Self::Deploy(args) => Some(args.options(global)),
            Self::Apply(args) => Some(args.options(global)),
            Self::Render(args) => Some(args.options(global)),
            Self::Bench(args) => Some(args.options(global)),
            _ => None,
        }
    }

    async fn run(self, options: Option<LoopOptions>, call: Call) -> Result<u8, Failure> {
        if let Some(options) = options {
            return loop_command(options, call).await;
        }
        match self {
            Self::Version(_) => {
                call.reporter.tell(ops::version());
                Ok(DONE)
            }
            Self::Completions(args) => {
                let program = std::env::args_os().next().unwrap_or_else(|| "wharf".into());
                let text = completions::script(&args, &program);
                let data = text.clone().into();
                call.reporter.tell(Report::Data { what: "completions", text, data });
                Ok(DONE)
            }
            Self::Schema(_) => {
                ops::schema(&call.reporter);
                Ok(DONE)
            }
            Self::Config(_) => {
                let flags = ops::ClusterFlags {
                    context: call.global.context.clone(),
                    namespace: call.global.namespace.clone(),
                };
                ops::config(&call.config_request(), flags, &call.reporter).map(|()| DONE)
            }
            Self::Init(args) => {
                ops::init(&call.config_request(), args.mode(), &call.reporter).map(|()| DONE)
            }
            Self::Doctor(_) => call.doctor().await,
            Self::Delete(args) => call.delete(args.request()).await,
            Self::Test(args) => call.checks(Sort::Test, args.names, args.images.images, None).await,
            Self::Verify(args) => {
                call.checks(Sort::Verify, args.names, args.images.images, Some(args.containers))
                    .await
            }
            Self::Exec(args) => {
                let names = vec![args.name];
                call.checks(Sort::Exec, names, args.images.images, Some(args.containers)).await
            }
            Self::Status(args) => call.status(args.names()).await,
            Self::Logs(args) => call.logs(args).await,
            Self::Trace(args) => {
                let request = args.request(call.global.context.clone(), call.columns);
                let loaded = config::load(&call.config_request());
                let loaded = loaded.map_err(|error| error.failure())?;
                ops::trace(&request, &loaded.project, &call.paths, &call.reporter).map(|()| DONE)
            }
            Self::Dev(_)
            | Self::Run(_)
            | Self::Build(_)
            | Self::Deploy(_)
            | Self::Apply(_)
            | Self::Bench(_)
            | Self::Render(_) => {
                unreachable!("these have options of the loop")
            }
        }
    }
}
