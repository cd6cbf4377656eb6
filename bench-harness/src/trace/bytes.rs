//! Reading numbers and pieces out of bytes that may be anything: whatever is not there is an error
//! that says what was expected, never a panic.

/// What was expected and not found, and where in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The place, from the beginning of the bytes.
    pub at: u64,
    pub expected: String,
    pub found: String,
}

/// A place in bytes, moving to their end.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn missing(&self, expected: impl Into<String>, found: impl Into<String>) -> Missing {
        Missing { at: self.at as u64, expected: expected.into(), found: found.into() }
    }

    /// So many bytes, which are `what`.
    pub fn take(&mut self, length: u64, what: &str) -> Result<&'a [u8], Missing> {
        let rest = &self.bytes[self.at..];
        let piece = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let Some(piece) = piece else {
            let found = format!("{} bytes to the end", rest.len());
            return Err(self.missing(format!("{what} of {length} bytes"), found));
        };
        self.at += piece.len();
        Ok(piece)
    }

    pub fn byte(&mut self, what: &str) -> Result<u8, Missing> {
        Ok(self.take(1, what)?[0])
    }

    /// Four bytes, little-endian.
    pub fn fixed_32(&mut self, what: &str) -> Result<u32, Missing> {
        let bytes = self.take(4, what)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four were taken")))
    }

    /// Eight bytes, little-endian.
    pub fn fixed_64(&mut self, what: &str) -> Result<u64, Missing> {
        let bytes = self.take(8, what)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight were taken")))
    }

    /// A LEB128 number of at most 64 bits, and at most `max`.
    pub fn varint(&mut self, max: u64, what: &str) -> Result<u64, Missing> {
        let start = self.clone();
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let part = u64::from(byte & 0x7F);
            if (part << shift) >> shift != part {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                if number > max {
                    return Err(start.missing(format!("{what} of at most {max}"), number.to_string()));
                }
                return Ok(number);
            }
        }
        Err(start.missing(format!("{what} of at most 64 bits"), "a longer one"))
    }

    /// A LEB128 length of at most `max`, and as many bytes.
    pub fn piece(&mut self, max: u64, what: &str) -> Result<&'a [u8], Missing> {
        let length = self.varint(max, &format!("a length of {what}"))?;
        self.take(length, what)
    }
}

/// Appends a LEB128 number.
pub fn push_varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_what_is_not_there_is_named() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number);
            assert_eq!(Cursor::new(&bytes).varint(u64::MAX, "a number"), Ok(number));
        }
        let missing = |bytes: &[u8], max| Cursor::new(bytes).varint(max, "a count").unwrap_err();
        let longer = missing(&[0xFF; 11], u64::MAX);
        assert_eq!(
            (longer.expected.as_str(), longer.found.as_str()),
            ("a count of at most 64 bits", "a longer one")
        );
        // Ten bytes whose last has more than the one bit that is left.
        let mut eleven_bits = [0xFF; 10];
        eleven_bits[9] = 2;
        assert_eq!(missing(&eleven_bits, u64::MAX).found, "a longer one");
        assert_eq!(missing(&[200, 1], 199).expected, "a count of at most 199");
        assert_eq!(missing(&[200], 199).expected, "a count of 1 bytes");
        let mut cursor = Cursor::new(b"\x05abc");
        let short = cursor.piece(9, "a key").unwrap_err();
        assert_eq!(
            (short.at, short.expected.as_str(), short.found.as_str()),
            (1, "a key of 5 bytes", "3 bytes to the end")
        );
    }
}
