//! What YCSB names otherwise: its database classes in property files, and its flags on the command line.
//!
//! Its workload classes are values of the property `workload`, see `properties::known`.

use crate::engine;
use crate::properties::{Properties, PropertyError};

/// The engines that YCSB has a class for.
const CLASSES: [(&str, &str); 2] = [
    ("rocksdb", "site.ycsb.db.rocksdb.RocksDBClient"),
    ("rocksdb", "com.yahoo.ycsb.db.rocksdb.RocksDBClient"),
];

/// Refuses a `db` that is not the engine of the run: the run would be of another database than the one named.
pub fn check_database(properties: &Properties, engine: &str) -> Result<(), PropertyError> {
    let (value, _) = properties.text("db");
    let class = CLASSES.iter().find(|(_, class)| *class == value);
    let named = class.map_or(value, |(name, _)| name);
    if !properties.is_set("db") || named == engine {
        return Ok(());
    }
    let other = match engine::is_known(named) {
        true => format!("--engine {named} runs the one it names"),
        false => format!("--engine chooses one of {}", engine::names()),
    };
    Err(properties.refuse("db", &format!("{engine}, the engine of this run; {other}")))
}

/// The flags of YCSB's client and of its script, and what they are here.
const FLAGS: [(&str, &str); 9] = [
    ("-threads", "is --threads here"),
    ("-target", "is --target here"),
    ("-db", "is --engine here"),
    ("-load", "is the command load here: rabi-bench load --dir DIR -P FILE"),
    ("-t", "is the command run here: rabi-bench run --dir DIR -P FILE"),
    ("-l", "is the property label here: -p label=TEXT"),
    ("-cp", "has no equivalent here: there is no JVM"),
    ("-jvm-args", "has no equivalent here: there is no JVM"),
    ("-s", "is an option of load and run here; the main job always shows how far it is"),
];

/// A sentence on the first argument that is YCSB's, for a command line that was refused.
pub fn hint(arguments: &[String]) -> Option<String> {
    let command = arguments.first().map_or("", String::as_str);
    if command == "shell" {
        return Some("YCSB's shell has no equivalent here".to_owned());
    }
    let is_phase = ["load", "run"].contains(&command);
    if let Some(name) = arguments.get(1).filter(|word| is_phase && !word.starts_with('-')) {
        let example = if engine::is_known(name) { format!(": --engine {name}") } else { String::new() };
        return Some(format!("YCSB names the database by its place; here --engine does{example}"));
    }
    arguments.iter().find_map(|argument| {
        let flag = argument.split_once('=').map_or(argument.as_str(), |(flag, _)| flag);
        let (flag, here) = FLAGS.iter().find(|(known, _)| *known == flag)?;
        let is_ours = is_phase && *flag == "-s";
        (!is_ours).then(|| format!("YCSB's {flag} {here}"))
    })
}
