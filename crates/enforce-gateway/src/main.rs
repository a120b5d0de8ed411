//! `enforce-gateway`: the gateway, a stand-in for its upstream, and both together.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use enforce_core::Clock;
use enforce_gateway::{Gateway, Settings, StandIn};
use tokio::net::TcpListener;
use tokio::sync::watch;

mod signals;

/// What clap exits with too.
const UNUSABLE: u8 = 2;

/// An OpenAI-compatible gateway that holds its tenants to their limits.
#[derive(Debug, Parser)]
#[command(name = "enforce-gateway", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve by a configuration file
    ///
    /// SIGHUP reads all files anew; what cannot be taken over is said, and the old settings stay. SIGTERM and ctrl-c end it:
    /// streams go on for the grace of the settings, or until a second signal, and then it prints what each tenant has used.
    Serve {
        /// The gateway's file, which names the policy and the prices
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print usage as JSON
        #[arg(long)]
        json: bool,
    },
    /// Serve by the sample configuration, with a stand-in as the upstream
    Demo {
        /// Where to listen, instead of where the sample says
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// Print usage as JSON
        #[arg(long)]
        json: bool,
    },
    /// Be an upstream that answers without a model
    StandIn {
        /// Where to listen
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
        listen: SocketAddr,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Serve { config, json } => serve(&config, json).await,
        Command::Demo { listen, json } => demo(listen, json).await,
        Command::StandIn { listen } => stand_in(listen).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::from(UNUSABLE)
        }
    }
}

type Failed = Box<dyn std::error::Error>;

async fn serve(config: &Path, json: bool) -> Result<(), Failed> {
    let settings = Settings::read(config)?;
    let listen = settings.listen();
    let gateway = Gateway::new(settings, Clock::system())?;
    let reload = || Settings::read(config).and_then(|settings| gateway.reload(settings));
    let hangups = signals::on_hangup(|| match reload() {
        Ok(()) => say(&"settings are read anew"),
        Err(error) => say(&format_args!("the old settings stay: {error}")),
    })?;
    let listener = bind(listen).await?;
    tokio::select! {
        never = hangups => match never {},
        ended = run(&gateway, listener, json) => ended,
    }
}

async fn demo(listen: Option<SocketAddr>, json: bool) -> Result<(), Failed> {
    let upstream = TcpListener::bind(("127.0.0.1", 0)).await?;
    let settings = Settings::of(
        include_str!("../sample/gateway.toml"),
        include_str!("../sample/policy.toml"),
        include_str!("../sample/prices.toml"),
    )?;
    let settings = settings.with_upstream(upstream.local_addr()?)?;
    let listener = bind(listen.unwrap_or(settings.listen())).await?;
    let gateway = Gateway::new(settings, Clock::system())?;
    say(&format_args!("a stand-in answers at {}", upstream.local_addr()?));
    drop(tokio::spawn(StandIn::new().serve(upstream)));
    run(&gateway, listener, json).await
}

async fn stand_in(listen: SocketAddr) -> Result<(), Failed> {
    let mut stop = signals::Stop::new()?;
    let listener = bind(listen).await?;
    say(&format_args!("a stand-in answers at {}", listener.local_addr()?));
    tokio::select! {
        never = StandIn::new().serve(listener) => match never {},
        stopped = stop.next() => Ok(stopped?),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failed> {
    TcpListener::bind(address).await.map_err(|error| format!("listen: {address}: {error}").into())
}

/// Serves until a signal, ends at once at a second one, and prints what was used.
async fn run(gateway: &Arc<Gateway>, listener: TcpListener, json: bool) -> Result<(), Failed> {
    let (told, signals) = watch::channel(0_u64);
    // Without signals it is ended by force alone.
    let listening = signals::Stop::new().map(|mut stop| async move {
        while stop.next().await.is_ok() {
            told.send_modify(|times| *times += 1);
        }
        std::future::pending::<Infallible>().await
    });
    let told = |least| {
        let mut signals = signals.clone();
        async move {
            if signals.wait_for(|times| *times >= least).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    say(&format_args!("listening at http://{}", listener.local_addr()?));
    let serve = Arc::clone(gateway).serve(listener, told(1), told(2));
    match listening {
        Ok(listening) => tokio::select! {
            never = listening => match never {},
            () = serve => {}
        },
        Err(_) => serve.await,
    }
    let mut out = io::stdout().lock();
    let usage = gateway.usage(json);
    writeln!(out, "{}", usage.trim_end()).and_then(|()| out.flush())?;
    Ok(())
}

fn say(what: &dyn Display) {
    // If standard error is gone, there is nobody to be told.
    drop(writeln!(io::stderr(), "enforce-gateway: {what}"));
}
