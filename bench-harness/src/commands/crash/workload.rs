//! The workload of a crash: what of a workload writes.

use anyhow::{Result, bail};

use crate::arguments::WorkloadArgs;
use crate::runner::{Job, PhaseKind};
use crate::workload::{Mix, Workload};

/// The run of a workload without what only reads. Reads would make writes fewer, and a crash loses none.
pub fn writes_only(arguments: &WorkloadArgs, seed: u64) -> Result<Job> {
    let mut workload = Workload::from_properties(&arguments.layer()?)?;
    let name = arguments.name(None);
    let mix = workload.mix;
    let writes = [mix.update, mix.insert, mix.read_modify_write, mix.delete, mix.batch];
    if writes.iter().sum::<f64>() <= 0.0 {
        bail!(
            "the workload {name} writes nothing, so a crash cannot lose anything of it; name one with writes, \
             such as workloads/workloada, or add -p updateproportion=1"
        );
    }
    workload.mix = Mix { read: 0.0, scan: 0.0, multi_read: 0.0, reverse_scan: 0.0, ..mix };
    (workload.warmup_s, workload.status) = (0.0, false);
    Ok(Job::new(PhaseKind::Run, name, workload, seed))
}
