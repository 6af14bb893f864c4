//! Numbers as people read them: grouped digits, times, bytes and rates, all from integers.

/// Digits in groups of three: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time given in microseconds, to three digits: `420 µs`, `8.13 ms`, `41.2 ms`, `1.20 s`.
pub fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", three_digits(micros, 1_000)),
        _ => format!("{} s", three_digits(micros, 1_000_000)),
    }
}

/// Bytes in binary units, to three digits: `512 B`, `38.2 MiB`, `1.25 GiB`.
pub fn bytes(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{} {unit}", three_digits(bytes, size)),
        None => format!("{bytes} B"),
    }
}

/// A rate given in thousandths a second: `0.25`, `41.2`, `1,204`.
pub fn per_second(milli: u64) -> String {
    three_digits(milli, 1_000)
}

/// A length of time in seconds as a clock shows it: `3:20`, `1:02:05`.
pub fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A share of a whole in per cent, to one place: `0.4 %`; nothing of nothing is `0 %`.
pub fn share(part: u64, whole: u64) -> String {
    let mille = u128::from(part) * 1_000 / u128::from(whole.max(1));
    match mille {
        0 if part > 0 => "< 0.1 %".into(),
        0 => "0 %".into(),
        _ => format!("{}.{} %", mille / 10, mille % 10),
    }
}

/// `number / unit` rounded to three digits that count; the whole part is never cut.
fn three_digits(number: u64, unit: u64) -> String {
    let (number, unit) = (u128::from(number), u128::from(unit));
    let rounded = |places: u128| (number * places + unit / 2) / unit;
    if rounded(100) < 1_000 {
        format!("{}.{:02}", rounded(100) / 100, rounded(100) % 100)
    } else if rounded(10) < 1_000 {
        format!("{}.{}", rounded(10) / 10, rounded(10) % 10)
    } else {
        grouped(u64::try_from(rounded(1)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let rows = [
            (grouped(0), "0"),
            (grouped(999), "999"),
            (grouped(1_234_567), "1,234,567"),
            (micros(420), "420 µs"),
            (micros(8_126), "8.13 ms"),
            (micros(41_249), "41.2 ms"),
            (micros(999_999), "1,000 ms"),
            (micros(1_200_000), "1.20 s"),
            (micros(120_000_000), "120 s"),
            (bytes(512), "512 B"),
            (bytes(40_055_603), "38.2 MiB"),
            (bytes(5 << 28), "1.25 GiB"),
            (bytes(u64::MAX), "17,179,869,184 GiB"),
            (per_second(250), "0.25"),
            (per_second(41_249), "41.2"),
            (per_second(1_204_400), "1,204"),
            (clock(200), "3:20"),
            (clock(3_725), "1:02:05"),
            (share(1, 3), "33.3 %"),
            (share(1, 10_000), "< 0.1 %"),
            (share(0, 0), "0 %"),
        ];
        for (made, expected) in rows {
            assert_eq!(made, expected);
        }
    }
}
