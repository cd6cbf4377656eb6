//! The arguments that say when the operations of a run begin, and the properties they stand for.

use clap::Args;

use super::{count, number};
use crate::properties::{Origin, Properties};

/// When operations begin, and from when they count.
#[derive(Debug, Clone, Default, Args)]
pub struct TrafficArgs {
    /// Open loop: operations are due on a schedule, whether or not earlier ones have ended: fixed,
    /// poisson, or poisson with a rate that follows a ramp, a step or a sine (property rabi.arrivals)
    #[arg(long, value_name = "SHAPE", help_heading = "Arrivals", requires = "rate")]
    arrivals: Option<String>,
    /// Operations a second over all threads; of a sine, the mean (rabi.rate)
    #[arg(long, value_name = "OPS", help_heading = "Arrivals", requires = "arrivals")]
    #[arg(value_parser = number)]
    rate: Option<f64>,
    /// The rate a ramp or the steps end at, or the peak of a sine (rabi.rate.to)
    #[arg(long, value_name = "OPS", help_heading = "Arrivals", requires = "arrivals")]
    #[arg(value_parser = number)]
    rate_to: Option<f64>,
    /// Seconds of a ramp, of each step, or from peak to peak [default: fits the duration] (rabi.period)
    #[arg(long, value_name = "S", help_heading = "Arrivals", requires = "arrivals")]
    #[arg(value_parser = number)]
    period: Option<f64>,
    /// Steps from one rate to the other [default: 5] (rabi.steps)
    #[arg(long, value_name = "N", help_heading = "Arrivals", requires = "arrivals")]
    #[arg(value_parser = count::<u64>)]
    steps: Option<u64>,
    /// Seconds a run lasts before anything counts; not part of the duration (rabi.warmup)
    #[arg(long, value_name = "S", help_heading = "Arrivals")]
    #[arg(value_parser = number)]
    warmup: Option<f64>,
}

impl TrafficArgs {
    /// The argument that chose when operations begin, if one did.
    pub fn chosen(&self) -> Option<&'static str> {
        self.arrivals.is_some().then_some("--arrivals")
    }

    /// Sets the properties that were given as arguments.
    pub fn set(&self, properties: &mut Properties) {
        let numbers = [
            ("rabi.rate", "--rate", self.rate),
            ("rabi.rate.to", "--rate-to", self.rate_to),
            ("rabi.period", "--period", self.period),
            ("rabi.steps", "--steps", self.steps.map(|steps| steps as f64)),
            ("rabi.warmup", "--warmup", self.warmup),
        ];
        for (name, flag, value) in numbers {
            if let Some(value) = value {
                properties.set(name, value.to_string(), Origin::Flag(flag));
            }
        }
        if let Some(arrivals) = &self.arrivals {
            properties.set("rabi.arrivals", arrivals.clone(), Origin::Flag("--arrivals"));
        }
    }
}
