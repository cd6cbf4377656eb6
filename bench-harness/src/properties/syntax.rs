//! The syntax of Java `.properties` files, which YCSB's workload files are written in.
//!
//! A line is a comment if its first visible character is `#` or `!`. The key ends at the first
//! `=`, `:` or white space that is not escaped. An odd number of backslashes at the end of a
//! line joins the next one to it, without that one's leading white space. `\t \n \r \f \uXXXX`
//! are escapes; before any other character the backslash is dropped.

/// A parsed pair with the line it begins on, or what is wrong there.
type Parsed = (usize, Result<(String, String), String>);

/// All pairs of a file in the order they are written.
pub fn parse(text: &str) -> Vec<Parsed> {
    logical_lines(text).into_iter().map(|(line, content)| (line, pair(&content))).collect()
}

/// Joins continued lines; drops comments and blank lines. Line numbers count from one.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in text.lines().enumerate() {
        let content = natural.trim_start_matches([' ', '\t', '\u{c}']);
        let (first, mut joined) = match open.take() {
            Some(begun) => begun,
            // Only a line that does not continue another can be a comment.
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslashes = content.len() - content.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            joined.push_str(&content[..content.len() - 1]);
            open = Some((first, joined));
        } else {
            joined.push_str(content);
            lines.push((first, joined));
        }
    }
    lines.extend(open);
    lines
}

fn pair(content: &str) -> Result<(String, String), String> {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\u{c}');
    let mut escaped = false;
    let end = content
        .find(|c: char| {
            let ends = !escaped && (c == '=' || c == ':' || is_blank(c));
            escaped = c == '\\' && !escaped;
            ends
        })
        .unwrap_or(content.len());
    let (key, rest) = content.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    let key = unescape(key)?;
    if key.is_empty() {
        return Err("the line has no property name; expected name=value".to_owned());
    }
    Ok((key, unescape(rest.trim_start_matches(is_blank))?))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                plain.push(code.and_then(char::from_u32).ok_or_else(|| {
                    format!("\\u{digits} is not a character; expected four hexadecimal digits")
                })?);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &str, &str)]) {
        let parsed: Vec<_> = parse(text)
            .into_iter()
            .map(|(line, pair)| {
                let (key, value) = pair.unwrap();
                (line, key, value)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, key, value)| (*line, (*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(parsed, expected, "of {text:?}");
    }

    #[test]
    fn keys_end_at_equals_colon_or_white_space() {
        check(
            "a=1\nb:2\nc 3\nd = 4\ne\t:  5\n",
            &[(1, "a", "1"), (2, "b", "2"), (3, "c", "3"), (4, "d", "4"), (5, "e", "5")],
        );
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_still_counted() {
        check("# x=1\n  ! y=2\n\n   z=3", &[(4, "z", "3")]);
    }

    #[test]
    fn a_backslash_at_the_end_joins_the_next_line() {
        check(
            "list = one,\\\n    two,\\\n  # three\nnext=1",
            &[(1, "list", "one,two,# three"), (4, "next", "1")],
        );
        check("even=a\\\\\nb=1", &[(1, "even", "a\\"), (2, "b", "1")]);
    }

    #[test]
    fn escapes_are_resolved_in_keys_and_values() {
        check("a\\=b\\ c = \\u0041\\tz\\q", &[(1, "a=b c", "A\tzq")]);
        check("empty=\nbare", &[(1, "empty", ""), (2, "bare", "")]);
    }
}
