//! The engine of a command and how it is set.

use anyhow::{Result, bail};
use clap::Args;

use super::{count, name_value};
use crate::engine::{self, Durability, Engine, Injection, Settings};
use crate::report::PhaseInfo;

/// What is written, and what is made sure of.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// The seed of everything random: equal seeds give equal operations
    #[arg(long, value_name = "N", default_value_t = 42, help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub seed: u64,
    /// Check the content of every record read
    #[arg(long, help_heading = "Workload")]
    pub verify: bool,
    /// After loading, wait until the engine's background work is done
    #[arg(long, help_heading = "Workload")]
    pub settle: bool,
}

/// One engine under test.
#[derive(Debug, Args)]
pub struct EngineArgs {
    /// The engine under test
    #[arg(long, value_name = "NAME", default_value = "rabi", help_heading = "Engine")]
    pub engine: String,
    /// What an acknowledged write has survived: process (kill -9) or power (loss of it)
    #[arg(long, value_enum, default_value = "process", help_heading = "Engine")]
    #[arg(hide_possible_values = true)]
    pub durability: Durability,
    /// An option of the engine by its name, such as cache_size_bytes=256MiB; may be repeated; a wrong name lists all
    #[arg(long = "engine-option", value_name = "NAME=VALUE", value_parser = name_value)]
    #[arg(help_heading = "Engine")]
    pub options: Vec<(String, String)>,
    /// Seed and checks.
    #[command(flatten)]
    pub data: DataArgs,
    /// Slower reads, to try out what watches for them.
    #[command(flatten)]
    pub injection: Injection,
}

impl EngineArgs {
    pub fn settings(&self) -> Settings {
        Settings { durability: self.durability, options: self.options.clone() }
    }

    /// What a report says about the engine.
    pub fn info(&self, engine: &dyn Engine) -> PhaseInfo {
        let keeps = engine.keeps();
        PhaseInfo {
            engine: self.engine.clone(),
            engine_options: self.options.clone(),
            engine_settings: engine.settings(),
            durability: self.durability.name(),
            durability_kept: keeps.kept,
            durability_how: keeps.how,
            durability_statement: keeps.statement(),
        }
    }
}

/// Several engines that are to be compared.
#[derive(Debug, Args)]
pub struct EnginesArgs {
    /// What an acknowledged write has survived: process (kill -9) or power (loss of it)
    #[arg(long, value_enum, default_value = "process", hide_possible_values = true)]
    #[arg(help_heading = "Engine")]
    pub durability: Durability,
    /// An option of one engine; may be repeated
    #[arg(long = "engine-option", value_name = "ENGINE.NAME=VALUE", value_parser = engine_option)]
    #[arg(help_heading = "Engine")]
    pub options: Vec<EngineOption>,
    /// What each engine may cache
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20, help_heading = "Engine")]
    #[arg(value_parser = count::<u64>)]
    pub cache_size_bytes: u64,
}

impl EnginesArgs {
    /// Refuses engines that are not known or named twice, and options of others: `again` says how to have one more
    /// often, and `what` what the engines are of.
    pub fn check(&self, engines: &[String], again: &str, what: &str) -> Result<()> {
        for (index, name) in engines.iter().enumerate() {
            engine::check(name)?;
            if engines[..index].contains(name) {
                bail!("--engines: {name} is named twice; use {again}");
            }
        }
        let foreign = self.options.iter().find(|option| !engines.contains(&option.engine));
        if let Some(EngineOption { engine, setting }) = foreign {
            bail!("--engine-option {engine}.{setting}: {engine} is not among the engines {what}");
        }
        Ok(())
    }

    pub fn options_of<'a>(&'a self, engine: &str) -> impl Iterator<Item = &'a str> {
        self.options
            .iter()
            .filter(move |option| option.engine == engine)
            .map(|option| option.setting.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOption {
    pub engine: String,
    /// The option with its value, as `--engine-option` takes it.
    pub setting: String,
}

pub fn engine_option(argument: &str) -> Result<EngineOption, String> {
    let parts = argument.split_once('.').filter(|(engine, setting)| {
        let name = setting.split_once('=').map_or("", |(name, _)| name);
        !engine.is_empty() && !name.is_empty() && !engine.contains('=')
    });
    match parts {
        Some((engine, setting)) => {
            Ok(EngineOption { engine: engine.to_owned(), setting: setting.to_owned() })
        }
        None => Err("expected ENGINE.NAME=VALUE, for example rabi.cores=2".to_owned()),
    }
}
