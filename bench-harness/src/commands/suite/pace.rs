//! How long a suite will take: before it begins, and after each run. Pure.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    pub runs: usize,
    pub workloads: usize,
    pub workload_s_max: f64,
    /// Whether each run loads its records anew.
    pub loads_each: bool,
}

impl Outlook {
    /// One line before the first run. How long a load takes is not known yet.
    pub fn sentence(&self) -> String {
        let all_s = self.runs as f64 * self.workloads as f64 * self.workload_s_max;
        let (what, more) = match self.loads_each {
            true => ("a load and ", ", and the loads"),
            false => ("", ", and one load for each engine"),
        };
        format!(
            "{}, each of {what}{} of at most {} s: at most {}{more}",
            counted(self.runs, "run"),
            counted(self.workloads, "workload"),
            self.workload_s_max,
            rough(Duration::from_secs_f64(all_s))
        )
    }

    /// One line after a run: what it took, and what is left if the others take as long as the mean.
    pub fn after(&self, took: &[Duration]) -> String {
        let Some(last) = took.last() else { return String::new() };
        let mean = took.iter().sum::<Duration>() / took.len() as u32;
        let left = self.runs.saturating_sub(took.len());
        match left {
            0 => format!("took {}", rough(*last)),
            _ => format!("took {}; about {} left", rough(*last), rough(mean * left as u32)),
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        _ if seconds < 100.0 => format!("{seconds:.0} s"),
        _ if seconds < 6_000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTLOOK: Outlook = Outlook { runs: 6, workloads: 6, workload_s_max: 10.0, loads_each: true };

    #[test]
    fn before_it_begins_only_the_most_is_known() {
        let expected = "6 runs, each of a load and 6 workloads of at most 10 s: at most 6 min, and the loads";
        assert_eq!(OUTLOOK.sentence(), expected);
        let once = Outlook { loads_each: false, ..OUTLOOK };
        assert!(once.sentence().ends_with("at most 6 min, and one load for each engine"));
    }

    #[test]
    fn what_is_left_follows_the_mean_so_far() {
        let seconds = |s: &[u64]| s.iter().copied().map(Duration::from_secs).collect::<Vec<_>>();
        assert_eq!(OUTLOOK.after(&seconds(&[20, 40])), "took 40 s; about 2 min left");
        assert_eq!(OUTLOOK.after(&seconds(&[7; 6])), "took 7 s");
    }
}
