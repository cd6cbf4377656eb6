//! Reads the cache traces that Twitter published (OSDI 2020; github.com/twitter/cache-trace).
//!
//! A line is a request: `timestamp,key,key size,value size,client,operation,TTL`. The timestamp is in whole
//! seconds; the key is anonymised, and its text need not have the size of the key it stands
//! for. A comma may occur in the key: the columns behind it are counted from the end.
//!
//! | operation | is replayed as |
//! | --- | --- |
//! | get, gets | a read |
//! | set, replace, cas | an update: the condition of the latter two is not |
//! | add | an insert |
//! | append, prepend, incr, decr | a read-modify-write: nothing is written where there is nothing |
//! | delete | a delete |
//!
//! TTLs and clients are not replayed. All requests of one second carry the same time; to be
//! replayed at their times they are spread evenly over that second, in their order.

use std::collections::VecDeque;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::error::{TraceError, shown};
use super::step::{Action, KEY_BYTES_MAX, Record, Source, Step, VALUE_BYTES_MAX};

/// Longer lines are not of this format: a key, and numbers.
pub const LINE_BYTES_MAX: u64 = KEY_BYTES_MAX + 200;
/// The most requests of one second that are held to be spread over it; what is beyond them follows at once.
const SPREAD_MAX: usize = 1 << 20;
const SECOND_NS: u64 = 1_000_000_000;

#[derive(Debug)]
pub struct Twitter<R> {
    file: PathBuf,
    from: R,
    line: u64,
    first_s: Option<u64>,
    /// The requests of one second, spread over it.
    ready: VecDeque<Step>,
    /// The first request of the next second.
    next: Option<Request>,
    /// The time of the request read last.
    last_ns: u64,
    /// What was wrong behind the requests that are ready.
    failure: Option<TraceError>,
}

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    time_s: u64,
    action: Action,
}

impl<R: BufRead> Twitter<R> {
    /// Begins with the first line. `file` is for messages.
    pub fn new(file: &Path, from: R) -> Twitter<R> {
        Twitter {
            file: file.to_owned(),
            from,
            line: 0,
            first_s: None,
            ready: VecDeque::new(),
            next: None,
            last_ns: 0,
            failure: None,
        }
    }

    fn request(&mut self) -> Result<Option<Request>, TraceError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut self.from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if read.map_err(|error| TraceError::read(&self.file, error))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let text = line.trim_ascii_end();
            if !text.is_empty() {
                return parse(text).map(Some).map_err(|(expected, found)| TraceError::Line {
                    file: self.file.clone(),
                    line: self.line,
                    expected,
                    found,
                });
            }
        }
    }

    /// Makes the requests of the next second ready. An error ends them, and comes after them.
    fn fill(&mut self) {
        let mut actions = Vec::new();
        let mut time_s = None;
        while actions.len() < SPREAD_MAX {
            let request = match self.next.take().map_or_else(|| self.request(), |next| Ok(Some(next))) {
                Ok(Some(request)) => request,
                Ok(None) => break,
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            };
            if *time_s.get_or_insert(request.time_s) != request.time_s {
                self.next = Some(request);
                break;
            }
            actions.push(request.action);
        }
        let Some(time_s) = time_s else { return };
        let since_ns = time_s.saturating_sub(*self.first_s.get_or_insert(time_s)).saturating_mul(SECOND_NS);
        let count = actions.len() as u64;
        for (number, action) in (0_u64..).zip(actions) {
            let time_ns = since_ns.saturating_add(number * SECOND_NS / count).max(self.last_ns);
            self.last_ns = time_ns;
            self.ready.push_back(Step { time_ns, action });
        }
    }
}

impl<R: BufRead + Send> Source for Twitter<R> {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        if self.ready.is_empty() && self.failure.is_none() {
            self.fill();
        }
        match self.ready.pop_front() {
            Some(step) => Ok(Some(step)),
            None => self.failure.take().map_or(Ok(None), Err),
        }
    }
}

/// Whether this is a line of the format.
pub fn is_line(line: &[u8]) -> bool {
    parse(line.trim_ascii_end()).is_ok()
}

type Wrong = (&'static str, String);

fn parse(line: &[u8]) -> Result<Request, Wrong> {
    // The time is before the first comma, five columns are behind the last five.
    let mut behind = line.rsplitn(6, |byte| *byte == b',');
    let mut column = || behind.next().unwrap_or_default();
    let (ttl, operation, _client, value_size, key_size) = (column(), column(), column(), column(), column());
    let front = column();
    let Some(comma) = front.iter().position(|byte| *byte == b',') else {
        return Err(("timestamp,key,key size,value size,client,operation,TTL", shown(line)));
    };
    let (time, key) = (&front[..comma], &front[comma + 1..]);
    let time_s = number(time, u64::MAX, "a timestamp in whole seconds")?;
    if key.is_empty() || key.len() as u64 > KEY_BYTES_MAX {
        return Err(("a key of 1 to 65535 bytes", shown(key)));
    }
    number(key_size, u64::MAX, "a key size")?;
    let value_bytes = number(value_size, VALUE_BYTES_MAX, "a value size of at most 16777216 bytes")?;
    number(ttl, u64::MAX, "a TTL in whole seconds")?;
    let record = || Record::new(key, value_bytes);
    let action = match operation {
        // A read of nothing was a miss: of what is there now, it says nothing.
        b"get" | b"gets" => {
            Action::Read { key: key.to_vec(), value_bytes: Some(value_bytes).filter(|n| *n > 0) }
        }
        b"set" | b"replace" | b"cas" => Action::Update(record()),
        b"add" => Action::Insert(record()),
        b"append" | b"prepend" | b"incr" | b"decr" => Action::ReadModifyWrite(record()),
        b"delete" => Action::Delete { key: key.to_vec() },
        _ => {
            let known =
                "an operation out of get, gets, set, add, replace, cas, append, prepend, delete, incr, decr";
            return Err((known, shown(operation)));
        }
    };
    Ok(Request { time_s, action })
}

fn number(column: &[u8], max: u64, expected: &'static str) -> Result<u64, Wrong> {
    let parsed = std::str::from_utf8(column).ok().and_then(|text| text.parse::<u64>().ok());
    parsed.filter(|number| *number <= max).ok_or_else(|| (expected, shown(column)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::step::drain;

    /// The steps of a text, and the error behind them.
    fn read(text: &str) -> (Vec<Step>, Option<String>) {
        let (steps, _, error) = drain(Ok(Twitter::new(Path::new("cluster.csv"), text.as_bytes())));
        (steps, error)
    }

    fn actions(text: &str) -> Vec<Action> {
        let (steps, error) = read(text);
        assert_eq!(error, None);
        steps.into_iter().map(|step| step.action).collect()
    }

    #[test]
    fn every_operation_has_its_meaning() {
        let read = |value_bytes| Action::Read { key: b"nz:u:eeW511W3dcH3de3d15ec".to_vec(), value_bytes };
        let record = || Record::new(b"nz:u:eeW511W3dcH3de3d15ec", 304);
        let line = |operation: &str| format!("0,nz:u:eeW511W3dcH3de3d15ec,22,304,8,{operation},0\n");
        for (operation, expected) in [
            ("get", read(Some(304))),
            ("gets", read(Some(304))),
            ("set", Action::Update(record())),
            ("add", Action::Insert(record())),
            ("replace", Action::Update(record())),
            ("cas", Action::Update(record())),
            ("append", Action::ReadModifyWrite(record())),
            ("prepend", Action::ReadModifyWrite(record())),
            ("incr", Action::ReadModifyWrite(record())),
            ("decr", Action::ReadModifyWrite(record())),
            ("delete", Action::Delete { key: record().key }),
        ] {
            assert_eq!(actions(&line(operation)), [expected]);
        }
        assert_eq!(actions("7,k,1,0,1,get,0"), [Action::Read { key: b"k".to_vec(), value_bytes: None }]);
        assert_eq!(actions("7,a,b,c,5,9,1,set,60\r\n\n"), [Action::Update(Record::new(b"a,b,c", 9))]);
    }

    #[test]
    fn the_requests_of_a_second_are_spread_over_it_in_their_order() {
        let text = "100,a,1,1,1,get,0\n100,b,1,1,1,get,0\n102,c,1,1,1,get,0\n102,d,1,1,1,get,0\n\
                    102,e,1,1,1,get,0\n102,f,1,1,1,get,0\n";
        let times_ms: Vec<u64> = read(text).0.iter().map(|step| step.time_ns / 1_000_000).collect();
        assert_eq!(times_ms, [0, 500, 2_000, 2_250, 2_500, 2_750]);
    }

    #[test]
    fn a_wrong_line_is_named_and_what_is_before_it_is_read() {
        for (line, expected) in [
            ("k,1,2", "expected timestamp,key,key size,value size,client,operation,TTL, found 'k,1,2'"),
            ("now,k,1,2,3,get,0", "expected a timestamp in whole seconds, found 'now'"),
            ("1,,1,2,3,get,0", "expected a key of 1 to 65535 bytes, found nothing"),
            ("1,k,x,2,3,get,0", "expected a key size, found 'x'"),
            ("1,k,1,99999999,3,get,0", "expected a value size of at most 16777216 bytes, found '99999999'"),
            ("1,k,1,2,3,touch,0", "expected an operation out of get, gets, set, add, replace, cas, append"),
            ("1,k,1,2,3,get,-1", "expected a TTL in whole seconds, found '-1'"),
        ] {
            let (steps, error) = read(&format!("1,k,1,2,3,get,0\n{line}\n1,k,1,2,3,get,0\n"));
            let error = error.unwrap_or_else(|| panic!("{line} passed"));
            assert!(error.starts_with("cluster.csv:2: ") && error.contains(expected), "{error}");
            assert_eq!(steps.len(), 1, "{line}");
        }
        let endless = "x".repeat(1 << 20);
        assert!(read(&endless).1.unwrap().contains("cluster.csv:1: expected timestamp,key,"));
    }
}
