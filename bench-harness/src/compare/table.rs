//! A comparison as text: one line per metric, the reasons of what is open, one last sentence.

use std::fmt::Write;

use super::comparison::{Comparison, Line};
use super::judge::Call;
use crate::report::{Grid, Style};

const COLUMNS: [&str; 9] =
    ["workload", "metric", "base", "new", "change", "95 % interval", "p (Holm)", "min effect", "verdict"];

pub fn text(comparison: &Comparison, alpha: f64) -> String {
    let mut out = String::new();
    write(&mut out, comparison, alpha).expect("writing to a string does not fail");
    out
}

fn write(out: &mut String, comparison: &Comparison, alpha: f64) -> std::fmt::Result {
    writeln!(out, "base {}\nnew  {}\n{}\n", comparison.base, comparison.new, repeats(comparison))?;
    let mut grid = Grid::new(&COLUMNS, &[0, 1, 8]);
    grid.lines = comparison.lines.iter().map(|line| row(line).to_vec()).collect();
    writeln!(out, "{}", grid.text(Style::Plain))?;
    for key in &comparison.unmatched {
        writeln!(out, "not compared, only one side has it: {} {} {}", key.engine, key.phase, key.workload)?;
    }
    for single in &comparison.within_runs {
        writeln!(
            out,
            "within these single runs of {}: {} to {} in throughput (samples worth {:.0} independent \
             ones); runs of one build may differ more than that",
            single.key.workload,
            percent(single.low),
            percent(single.high),
            single.effective_samples
        )?;
    }
    if let Some(ratio) = comparison.throughput_ratio {
        writeln!(out, "geometric mean of throughput, new over base: {ratio:.3}")?;
    }
    writeln!(out, "{}", conclusion(comparison, alpha))
}

fn repeats(comparison: &Comparison) -> String {
    let Some(first) = comparison.lines.first() else {
        return String::new();
    };
    let like_first = |line: &Line| {
        (line.repeats_base, line.repeats_new, line.paired)
            == (first.repeats_base, first.repeats_new, first.paired)
    };
    if !comparison.lines.iter().all(like_first) {
        return "repeats differ between workloads".to_owned();
    }
    let how = if first.paired { "paired" } else { "unpaired" };
    format!("{} and {} repeats, {how}, {}", first.repeats_base, first.repeats_new, first.judged.test)
}

fn row(line: &Line) -> [String; 9] {
    let judged = &line.judged;
    let workload = line.key.name();
    let call = match judged.call {
        Call::Regression => "REGRESSION".to_owned(),
        Call::Improvement => "improvement".to_owned(),
        Call::Same => "same within the minimum effect".to_owned(),
        Call::NotWorse => "not worse by the minimum effect".to_owned(),
        Call::Inconclusive => format!("inconclusive: {}", judged.reason.as_deref().unwrap_or_default()),
    };
    [
        workload.to_owned(),
        line.metric.clone(),
        number(judged.base),
        number(judged.new),
        percent(judged.change),
        format!("{} to {}", percent(judged.low), percent(judged.high)),
        if judged.p_holm < 0.001 { "<0.001".to_owned() } else { format!("{:.3}", judged.p_holm) },
        format!("{:.1} %", 100.0 * judged.min_effect),
        call,
    ]
}

/// Four significant digits.
pub fn number(value: f64) -> String {
    let digits = if value == 0.0 { 1 } else { value.abs().log10().floor() as i32 + 1 };
    format!("{value:.*}", (4 - digits).clamp(0, 6) as usize)
}

/// A relative change in percent.
pub fn percent(change: f64) -> String {
    if change.is_infinite() { "from zero".to_owned() } else { format!("{:+.1} %", 100.0 * change) }
}

fn conclusion(comparison: &Comparison, alpha: f64) -> String {
    let count = |call| comparison.lines.iter().filter(|line| line.judged.call == call).count();
    let (all, worse, open) = (comparison.lines.len(), count(Call::Regression), count(Call::Inconclusive));
    match (worse, open) {
        (0, 0) => format!("NO REGRESSION beyond the minimum effect in any of {all} metrics"),
        (0, _) => format!("INCONCLUSIVE: {open} of {all} metrics cannot be told from these repeats"),
        _ => format!(
            "REGRESSION in {worse} of {all} metrics (chance of any false one: at most {:.0} %){}",
            100.0 * alpha,
            if open > 0 { format!("; {open} inconclusive") } else { String::new() }
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_changes_a_sign() {
        let shown: Vec<_> = [0.0, 0.012_345, 1.234_56, 123.456, 1_234_567.0].map(number).into();
        assert_eq!(shown, ["0.000", "0.01235", "1.235", "123.5", "1234567"]);
        assert_eq!([0.05, -0.012, f64::INFINITY].map(percent), ["+5.0 %", "-1.2 %", "from zero"]);
    }
}
