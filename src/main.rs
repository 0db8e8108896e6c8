//! Arguments in, exit code out; everything else is in the library.

use std::process::ExitCode;

use wharf::cli;

fn main() -> ExitCode {
    match cli::complete() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return cli::refuse(&error),
    }
    if let Some(code) = cli::post_render() {
        return code;
    }
    let request = match cli::parse(std::env::args_os()) {
        Ok(request) => request,
        Err(code) => return code,
    };
    // A second provider in the tree makes rustls ask which one to use. Fails only if one is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::refuse(&error),
    };
    let code = runtime.block_on(cli::dispatch(request));
    // What still blocks, such as a read of stdin, must not keep the process.
    runtime.shutdown_background();
    code
}
