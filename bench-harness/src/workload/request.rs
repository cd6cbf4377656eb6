//! Which records are asked for: the distribution and its parameters.

use crate::generator::KeyRangeShape;
use crate::properties::{Properties, PropertyError};

/// Which records are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RequestDistribution {
    Uniform,
    /// YCSB's scrambled Zipfian over loaded and inserted records.
    Zipfian,
    Latest,
    /// One after the other, and again from the start.
    Sequential,
    Hotspot {
        data_fraction: f64,
        operation_fraction: f64,
    },
    Exponential {
        /// Percent of the requests...
        percentile: f64,
        /// ...that reach back no further than this share of the records.
        fraction: f64,
    },
    /// Exactly Zipf over the loaded records. An extension.
    Zipf {
        theta: f64,
    },
    /// Hot ranges of keys, as in mixgraph. An extension.
    KeyRanges(KeyRangeShape),
}

/// Reads the distribution and the parameters it needs.
pub fn request(properties: &Properties) -> Result<RequestDistribution, PropertyError> {
    Ok(match properties.choice("requestdistribution")? {
        "zipfian" => RequestDistribution::Zipfian,
        "latest" => RequestDistribution::Latest,
        "sequential" => RequestDistribution::Sequential,
        "hotspot" => RequestDistribution::Hotspot {
            data_fraction: properties.number("hotspotdatafraction")?,
            operation_fraction: properties.number("hotspotopnfraction")?,
        },
        "exponential" => RequestDistribution::Exponential {
            percentile: properties.number("exponential.percentile")?,
            fraction: properties.number("exponential.frac")?,
        },
        "rabi.zipf" => RequestDistribution::Zipf { theta: properties.number("rabi.zipftheta")? },
        "rabi.keyranges" => RequestDistribution::KeyRanges(key_ranges(properties)?),
        _ => RequestDistribution::Uniform,
    })
}

fn key_ranges(properties: &Properties) -> Result<KeyRangeShape, PropertyError> {
    let number = |name| properties.number(name);
    let shape = KeyRangeShape {
        ranges: properties.count("rabi.keyranges.count")?,
        terms: [
            (number("rabi.keyranges.a")?, number("rabi.keyranges.b")?),
            (number("rabi.keyranges.c")?, number("rabi.keyranges.d")?),
        ],
        ranks: (number("rabi.keyranges.rankfactor")?, number("rabi.keyranges.rankexponent")?),
    };
    match shape.is_drawable() {
        true => Ok(shape),
        false => {
            let allowed = "numbers with which a e^(b x) + c e^(d x) is finite for every range x and \
                           positive for one of them";
            Err(properties.refuse("rabi.keyranges.a", allowed))
        }
    }
}
