//! How long fields and scans are.

use std::path::Path;

use crate::generator::{LengthHistogram, LogNormal, OpRandom, Pareto, Uniform, Zipfian};
use crate::properties::{Properties, PropertyError};

/// How lengths are spread. Where two bounds are given, both are included, and what a
/// distribution without bounds draws beyond them becomes the bound.
#[derive(Debug, Clone)]
pub enum LengthDistribution {
    Constant(u64),
    Uniform(Uniform),
    /// Short lengths most often.
    Zipfian {
        min: u64,
        /// What is added to it.
        above: Zipfian,
    },
    /// As often as a file says.
    Histogram(LengthHistogram),
    LogNormal(LogNormal, Bounds),
    Pareto(Pareto, Bounds),
}

/// The shortest and the longest length.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub min: u64,
    pub max: u64,
}

impl Bounds {
    fn hold(self, length: u64) -> u64 {
        length.clamp(self.min, self.max)
    }
}

impl LengthDistribution {
    pub fn draw(&self, random: &mut OpRandom) -> usize {
        let length = match self {
            LengthDistribution::Constant(length) => *length,
            LengthDistribution::Uniform(lengths) => lengths.next(random),
            LengthDistribution::Zipfian { min, above } => min + above.next(random),
            LengthDistribution::Histogram(lengths) => lengths.next(random),
            LengthDistribution::LogNormal(lengths, bounds) => bounds.hold(lengths.next(random)),
            LengthDistribution::Pareto(lengths, bounds) => bounds.hold(lengths.next(random)),
        };
        length as usize
    }

    pub fn max(&self) -> u64 {
        match self {
            LengthDistribution::Constant(length) => *length,
            LengthDistribution::Uniform(lengths) => lengths.max(),
            LengthDistribution::Zipfian { min, above } => min + above.items() - 1,
            LengthDistribution::Histogram(lengths) => lengths.length_max(),
            LengthDistribution::LogNormal(_, bounds) | LengthDistribution::Pareto(_, bounds) => bounds.max,
        }
    }
}

pub fn field_lengths(properties: &Properties) -> Result<LengthDistribution, PropertyError> {
    let max = properties.count("fieldlength")?;
    let min = properties.count("minfieldlength")?;
    let bounds = || match min <= max {
        true => Ok(Bounds { min, max }),
        false => {
            let allowed = format!("from 1 to fieldlength, which is {max}");
            Err(properties.refuse("minfieldlength", &allowed))
        }
    };
    Ok(match properties.choice("fieldlengthdistribution")? {
        "constant" => LengthDistribution::Constant(max),
        "histogram" => LengthDistribution::Histogram(histogram(properties)?),
        "rabi.lognormal" => {
            let median = properties.positive("rabi.fieldlength.median")?;
            let deviation = properties.number("rabi.fieldlength.deviation")?;
            LengthDistribution::LogNormal(LogNormal::new(median, deviation), bounds()?)
        }
        "rabi.pareto" => {
            let theta = properties.number("rabi.fieldlength.theta")?;
            let k = properties.number("rabi.fieldlength.k")?;
            let sigma = properties.positive("rabi.fieldlength.sigma")?;
            LengthDistribution::Pareto(Pareto::new(theta, k, sigma), bounds()?)
        }
        kind => bounded(kind, bounds()?),
    })
}

pub fn scan_lengths(properties: &Properties) -> Result<LengthDistribution, PropertyError> {
    let (min, max) = (properties.count("minscanlength")?, properties.count("maxscanlength")?);
    if min > max {
        let allowed = format!("from 1 to maxscanlength, which is {max}");
        return Err(properties.refuse("minscanlength", &allowed));
    }
    let bounds = Bounds { min, max };
    Ok(match properties.choice("scanlengthdistribution")? {
        "rabi.pareto" => {
            let theta = properties.number("rabi.scanlength.theta")?;
            let k = properties.number("rabi.scanlength.k")?;
            let sigma = properties.positive("rabi.scanlength.sigma")?;
            LengthDistribution::Pareto(Pareto::new(theta, k, sigma), bounds)
        }
        kind => bounded(kind, bounds),
    })
}

fn bounded(kind: &str, Bounds { min, max }: Bounds) -> LengthDistribution {
    match kind {
        "uniform" => LengthDistribution::Uniform(Uniform::new(min, max)),
        _ => LengthDistribution::Zipfian { min, above: Zipfian::new(max - min + 1) },
    }
}

fn histogram(properties: &Properties) -> Result<LengthHistogram, PropertyError> {
    let (name, _) = properties.text("fieldlengthhistogram");
    let path = Path::new(name);
    let text = std::fs::read_to_string(path)
        .map_err(|cause| PropertyError::Histogram { path: path.to_owned(), cause })?;
    LengthHistogram::parse(&text).map_err(|(line, what)| PropertyError::Syntax {
        origin: crate::properties::Origin::File { path: std::sync::Arc::new(path.to_owned()), line },
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Stream;

    #[test]
    fn every_field_length_lies_within_its_bounds_and_reaches_both() {
        let stream = Stream::new(1, "lengths");
        for kind in ["uniform", "zipfian", "rabi.lognormal", "rabi.pareto"] {
            let text = format!(
                "fieldlengthdistribution={kind}\nminfieldlength=5\nfieldlength=40\n\
                 rabi.fieldlength.median=15"
            );
            let lengths = field_lengths(&Properties::of(&text)).unwrap();
            let drawn: Vec<usize> =
                (0..20_000).map(|index| lengths.draw(&mut stream.operation(index))).collect();
            assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&5), Some(&40)), "{kind}");
            assert_eq!(lengths.max(), 40, "{kind}");
        }
    }

    #[test]
    fn scans_of_mixgraph_have_the_published_shape() {
        let text = "scanlengthdistribution=rabi.pareto\nmaxscanlength=10000";
        let lengths = scan_lengths(&Properties::of(text)).unwrap();
        let stream = Stream::new(2, "lengths");
        let short = (0..20_000).filter(|index| lengths.draw(&mut stream.operation(*index)) <= 10).count();
        // 1 - (1 + 2.517 x 10 / 14.236)^(-1 / 2.517) = 0.3330; 3.29 standard errors are 0.011.
        assert!((short as f64 / 2e4 - 0.333).abs() < 0.011, "{short}");
    }
}
