//! A phase as CSV (RFC 4180): one line per kind of operation and kind of latency (service times,
//! and response times where there is a schedule), what holds for the whole phase repeated on each.

use super::PhaseReport;

const HEAD: &str = "engine,durability,phase,workload,threads,clients,target_ops_s,seed,records,elapsed_s,\
                    operations_total,throughput_ops_s,operation,latency,count,errors,mean_us,min_us,p50_us,\
                    p95_us,p99_us,p999_us,max_us";

pub fn csv(report: &PhaseReport) -> String {
    let mut out = format!("{HEAD}\r\n");
    let rows = report.operations.iter().flat_map(|row| {
        let response = row.response.as_ref().map(|latency| (row, "response", latency));
        [Some((row, "service", &row.service)), response].into_iter().flatten()
    });
    for (row, kind, latency) in rows {
        let cells = [
            report.info.engine.clone(),
            report.info.durability.to_owned(),
            report.phase.to_owned(),
            report.workload.clone(),
            report.threads.to_string(),
            report.clients.unwrap_or(report.threads).to_string(),
            report.target_ops_s.to_string(),
            report.seed.to_string(),
            report.records.to_string(),
            report.elapsed_s.to_string(),
            report.operations_total.to_string(),
            report.throughput_ops_s.to_string(),
            row.row.to_owned(),
            kind.to_owned(),
            row.count.to_string(),
            row.errors.to_string(),
            latency.mean_us.to_string(),
            latency.min_us.to_string(),
            latency.p50_us.to_string(),
            latency.p95_us.to_string(),
            latency.p99_us.to_string(),
            latency.p999_us.to_string(),
            latency.max_us.to_string(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        out += &format!("{}\r\n", cells.join(","));
    }
    out
}

pub(super) fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let shown = ["plain", "a,b", "say \"x\""].map(quoted);
        assert_eq!(shown, ["plain", "\"a,b\"", "\"say \"\"x\"\"\""]);
    }
}
